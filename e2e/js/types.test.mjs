// index.d.ts of clients/js against index.js, and against what a Drover answers.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as client from '../../clients/js/index.js';

const ts = createRequire(join(process.env.NODE_PATH, '/'))('typescript');
const path = (name) => fileURLToPath(new URL(`../../clients/js/${name}`, import.meta.url));

const options = {
  strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true,
  target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, lib: ['lib.es2022.d.ts'], types: [],
};

// compile gives what the compiler has against a file, and its JavaScript.
function compile(name, text = ts.sys.readFile(path(name))) {
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (file, ...how) => (file === path(name) ? ts.createSourceFile(file, text, ...how) : getSourceFile(file, ...how));
  host.fileExists = (file) => file === path(name) || fileExists(file);
  let js;
  host.writeFile = (_, written) => { js = written; };
  const program = ts.createProgram([path(name)], options, host);
  program.emit();
  const complaints = ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
    getCurrentDirectory: () => path(''), getCanonicalFileName: (file) => file, getNewLine: () => '\n',
  });
  return { program, complaints, js };
}

// members are the names of what an object offers; every error has some besides.
const symbols = new Map(Reflect.ownKeys(Symbol).map((name) => [Symbol[name], `[Symbol.${String(name)}]`]));
const ofErrors = ['name', 'message', 'stack', 'cause'];

function members(object) {
  const names = new Set();
  for (let o = object; o !== Object.prototype && o !== Error.prototype; o = Object.getPrototypeOf(o)) {
    for (const key of Reflect.ownKeys(o)) names.add(symbols.get(key) ?? key);
  }
  return [...names].filter((name) => name !== 'constructor' && !ofErrors.includes(name)).sort();
}

// report is a device that speaks HTTPS.
async function report(server, thing, job, status) {
  const answer = await fetch(`${server}/things/${thing}/jobs/${job}`, { method: 'POST', body: JSON.stringify({ status }) });
  await answer.text();
}

test('the types are those of the module and of what it gives', async (t) => {
  const { program, complaints, js } = compile('test/usage.ts');
  assert.equal(complaints, '');

  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path('index.d.ts'))));
  const values = exported.filter((symbol) => symbol.flags & ts.SymbolFlags.Value).map((symbol) => symbol.name);
  assert.deepEqual(values.sort(), Object.keys(client).sort());

  const home = await mkdtemp(join(tmpdir(), 'drover-types-'));
  t.after(() => rm(home, { recursive: true }));
  await writeFile(join(home, 'usage.mjs'), js);
  const { usage } = await import(join(home, 'usage.mjs'));
  const { objects, answers } = await usage(client, t, report);
  for (const [type, object] of Object.entries(objects)) {
    const declared = checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === type)).getProperties();
    const names = declared.map((symbol) => symbol.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]'));
    assert.deepEqual(names.filter((name) => !ofErrors.includes(name)).sort(), members(object), type);
  }

  const literals = Object.entries(answers).map(([type, all], i) => {
    assert.notEqual(all.length, 0, type);
    return `export const answer${i}: (${type})[] = ${JSON.stringify(all, null, 1)};\n`;
  });
  const imports = 'import type { Clock, Execution, FaultState, Injection, Moved } from "drover-test";\n';
  assert.equal(compile('test/answers.ts', imports + literals.join('')).complaints, '');
});
