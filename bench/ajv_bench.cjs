// Run by schema_bench: MB/s of CPU time of ajv on the records of a file, with and without JSON.parse.
const fs = require('fs');
const { createRequire } = require('module');
const Ajv = createRequire(process.cwd() + '/')('ajv/dist/2020').default;
const lines = fs.readFileSync(process.argv[2], 'utf8').trimEnd().split('\n');
const validate = new Ajv({ strict: false }).compile(JSON.parse(lines.shift()));
const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
const rate = (work) => {
  let best = 0;
  for (let round = 0; round < 3; ++round) {
    const start = process.cpuUsage();
    work();
    const used = process.cpuUsage(start);
    best = Math.max(best, bytes / used.user);
  }
  return best;
};
let wrong = 0;
const both = rate(() => { for (const line of lines) if (!validate(JSON.parse(line))) ++wrong; });
const parsed = lines.map((line) => JSON.parse(line));
const alone = rate(() => { for (const one of parsed) if (!validate(one)) ++wrong; });
if (wrong > 0) throw new Error(wrong + ' records do not fit');
console.log(both.toFixed(1), alone.toFixed(1));
