// Cube's compiler, asked the question of bench_compile. CUBE names a folder whose node_modules have
// @cubejs-backend/schema-compiler. Measured is its planner in JavaScript: the other one comes as a
// binary, which installing the package does not always bring.
process.env.CUBEJS_TESSERACT_SQL_PLANNER = 'false';
// Its warnings go elsewhere than the answers.
const answer = console.log;
console.log = console.error;
const { createRequire } = require('node:module');
const readline = require('node:readline');

const need = createRequire(`${process.env.CUBE}/`);
const { NativeInstance } = need('@cubejs-backend/native');
// The model has no templates; the engine for them is in the binary.
NativeInstance.prototype.newJinjaEngine = () => ({});
const { prepareCompiler, PostgresQuery } = need('@cubejs-backend/schema-compiler');
const { version } = need('@cubejs-backend/schema-compiler/package.json');
const count = (to) => [...Array(to).keys()];

function measures() {
  const filtered = "filters: [{sql: `${CUBE}.v0_d2 = 'x'`}]";
  const sums = count(9).map((k) => `m${k}: {sql: \`v0_d${k % 2} * 2 + ${k}\`, type: 'sum', ${filtered}}`);
  return ["count: {type: 'count'}", ...sums];
}

function joins(views) {
  return count(views).slice(1).map(
    (k) => `v${k}: {relationship: 'many_to_one', sql: \`\${CUBE}.v0_d${k % 5} = \${v${k}}.id\`}`,
  );
}

function cube(n, views) {
  const dimensions = [
    "id: {sql: `id`, type: 'number', primaryKey: true}",
    "created_at: {sql: `created_at`, type: 'time'}",
    ...count(5).map((k) => `d${k}: {sql: \`v${n}_d${k}\`, type: '${k < 2 ? 'number' : 'string'}'}`),
  ];
  const own = n ? '' : `joins: {${joins(views)}}, measures: {${measures()}},`;
  return `cube('v${n}', {sql_table: 'v${n}', ${own} dimensions: {${dimensions}}});`;
}

let asked = 0;
function ask(compilers) {
  return new PostgresQuery(compilers, {
    measures: ['v0.count', ...count(9).map((k) => `v0.m${k}`)],
    dimensions: ['v1.d3', 'v2.d3', 'v3.d4'],
    timeDimensions: [
      { dimension: 'v0.created_at', granularity: 'month', dateRange: ['2025-04-01', '2026-03-31'] },
    ],
    filters: [
      { member: 'v4.d3', operator: 'equals', values: [`a${asked++}`, 'b'] },
      { member: 'v5.d0', operator: 'gt', values: ['1'] },
      { member: 'v6.d3', operator: 'contains', values: ['z'] },
      { member: 'v1.d2', operator: 'equals', values: ['y'] },
    ],
    order: [{ id: 'v0.m0', desc: true }],
    limit: 1000,
    timezone: 'Europe/Berlin',
  }).buildSqlAndParams()[0];
}

async function main() {
  const content = count(7).map((n) => cube(n, 7)).join('\n');
  const files = { localPath: () => '.', dataSchemaFiles: async () => [{ fileName: 'm.js', content }] };
  const compilers = prepareCompiler(files, {});
  await compilers.compiler.compile();
  if (ask(compilers).split(' JOIN ').length !== 7) throw new Error('not six joins');
  for (let n = 0; n < 300; n += 1) ask(compilers); // its engine compiles what runs often
  answer(`Cube ${version} (in JavaScript)`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const calls = Number(line);
    const began = process.cpuUsage();
    for (let n = 0; n < calls; n += 1) ask(compilers);
    const took = process.cpuUsage(began);
    answer((took.user + took.system) / 1000 / calls);
  }
}

main().catch((error) => { console.error(error); process.exitCode = 1; });
