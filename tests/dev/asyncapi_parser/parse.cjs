// Parses AsyncAPI documents, named as arguments, and prints the operations and the diagnostics of each as JSON.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function main() {
  const found = {};
  for (const file of process.argv.slice(2)) {
    const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
    found[file] = {
      operations: document ? document.operations().all().map((one) => one.id()) : null,
      diagnostics: diagnostics.map((one) => `${one.path.join(".")}: ${one.message}`),
    };
  }
  console.log(JSON.stringify(found));
}

main();
