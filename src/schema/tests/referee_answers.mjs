// Reads lines {"schema":…,"instance":…} and writes what a third implementation says of each: 1, 0, or e.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const folder = process.argv[2] + '/node_modules/@hyperjump/json-schema/draft-2020-12/index.js';
const { registerSchema, unregisterSchema, validate } = await import(pathToFileURL(folder));
const answers = [];
for (const line of readFileSync(process.argv[3], 'utf8').trimEnd().split('\n')) {
  const { schema, instance } = JSON.parse(line);
  try {
    registerSchema(schema, 'https://example.org/s', 'https://json-schema.org/draft/2020-12/schema');
    answers.push((await validate('https://example.org/s', instance)).valid ? '1' : '0');
  } catch (error) {
    answers.push('e');
  }
  unregisterSchema('https://example.org/s');
}
writeFileSync(process.argv[4], answers.join('\n') + '\n');
