// Answers questions by node-casbin: `node enforce.cjs MODEL POLICY < questions.json > answers.json`.
const { newEnforcer } = require("casbin");
const { readFileSync } = require("fs");

async function main() {
  const enforcer = await newEnforcer(process.argv[2], process.argv[3]);
  const questions = JSON.parse(readFileSync(0, "utf8"));
  const answers = questions.map((question) => enforcer.enforceSync(...question));
  process.stdout.write(JSON.stringify(answers));
}

main();
