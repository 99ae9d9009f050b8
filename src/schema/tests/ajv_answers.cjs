// Reads lines {"schema":…,"instances":[…]} and writes for each a line: "e" where ajv refuses the
// schema, else one character per instance: 1 fits, 0 does not, x where ajv itself gave up.
const fs = require('fs');
const { createRequire } = require('module');
const Ajv = createRequire(process.argv[2] + '/')('ajv/dist/2020').default;
const answers = [];
let ajv;
for (const line of fs.readFileSync(process.argv[3], 'utf8').trimEnd().split('\n')) {
  const { schema, instances } = JSON.parse(line);
  let validate;
  try {
    // Its metaschemas take long to compile, and all schemas stay in it: one for many, not for all.
    if (answers.length % 200 === 0) ajv = undefined;
    ajv ??= new Ajv({ strict: false, validateFormats: false, logger: false });
    validate = ajv.compile(schema);
  } catch (error) {
    answers.push('e');
    continue;
  }
  answers.push(instances.map((instance) => {
    try {
      return validate(instance) ? '1' : '0';
    } catch (error) {
      return 'x';
    }
  }).join(''));
}
fs.writeFileSync(process.argv[4], answers.join('\n') + '\n');
