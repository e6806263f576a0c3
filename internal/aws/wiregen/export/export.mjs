// Exports the wire model of one AWS service: names and shapes of the operations
// listed in actions.tsv, no documentation text. Run once per update of the model,
// never by the build:
//
//   cd "$(mktemp -d)" && npm pack @aws-sdk/client-ec2 @aws-sdk/client-iam @aws-sdk/client-route-53 @aws-sdk/client-service-quotas @aws-sdk/client-ssm @aws-sdk/client-sts
//   for f in *.tgz; do mkdir "${f%.tgz}"; tar xzf "$f" -C "${f%.tgz}"; done
//   node export.mjs SERVICE PACKAGE_DIR GO_SDK_DIR MODEL_DIR
//
// SERVICE is ec2, iam, route53, servicequotas, ssm or sts; PACKAGE_DIR the unpacked npm package (…/package);
// GO_SDK_DIR the output of `go list -m -f {{.Dir}} github.com/aws/aws-sdk-go-v2/service/SERVICE`,
// or for a module that go.mod does not have, `go mod download -json …@latest`
// (the npm package says "number" where AWS says integer, long, float or double:
// the widths are read from the Go types); MODEL_DIR is internal/aws/model.
//
// elbv2 comes from botocore's data instead: see sdkdata.py.
//
// Writes MODEL_DIR/SERVICE.json and MODEL_DIR/SERVICE-operations.txt (every
// operation name of the service, one per line).
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

const [service, pkg, goSDK, modelDir] = process.argv.slice(2);
if (!modelDir) {
  console.error("usage: node export.mjs SERVICE PACKAGE_DIR GO_SDK_DIR MODEL_DIR");
  process.exit(2);
}

const protocols = {
  ec2: { protocol: "ec2", version: "2016-11-15", xmlns: "http://ec2.amazonaws.com/doc/2016-11-15/" },
  iam: { protocol: "query", version: "2010-05-08", xmlns: "https://iam.amazonaws.com/doc/2010-05-08/" },
  route53: { protocol: "rest-xml", version: "2013-04-01", xmlns: "https://route53.amazonaws.com/doc/2013-04-01/" },
  servicequotas: { protocol: "json", version: "2019-06-24", target: "ServiceQuotasV20190624" },
  ssm: { protocol: "json", version: "2014-11-06", target: "AmazonSSM" },
  sts: { protocol: "query", version: "2011-06-15", xmlns: "https://sts.amazonaws.com/doc/2011-06-15/" },
};

// --- the npm package's schema -------------------------------------------------

// evaluate runs an ES module that only declares constants, without its imports,
// and returns what it exports.
// Names that begin with an underscore are dropped unless wanted.
function evaluate(file, prelude = "", underscored = false) {
  const source = fs.readFileSync(file, "utf8")
    .replace(/^import [^;]*;$/gm, "")
    .replace(/^n0_registry\.[^;]*;$|^_s_registry\.[^;]*;$/gm, "");
  const names = [...source.matchAll(/^(?:export )?(?:var|const) (\S+) =/gm)].map((m) => m[1]);
  const body = source.replace(/^export (var|const)/gm, "$1");
  return vm.runInNewContext(`${prelude}${body}\n;({${names.filter((n) => underscored || !n.startsWith("_")).join(",")}})`);
}

const registry = "class TypeRegistry { constructor() {} registerError() {} };"
  + "TypeRegistry.for = () => new TypeRegistry();";
const schemas = evaluate(path.join(pkg, "dist-es/schemas/schemas_0.js"),
  registry + exceptionStubs());

function exceptionStubs() {
  const source = fs.readFileSync(path.join(pkg, "dist-es/schemas/schemas_0.js"), "utf8");
  const imported = [...source.matchAll(/^import \{([^}]*)\} from "..\/models/gm)]
    .flatMap((m) => m[1].split(",").map((s) => s.trim())).filter(Boolean);
  return imported.map((n) => `const ${n} = 0;`).join("");
}

const enums = {};
const enumFile = path.join(pkg, "dist-es/models/enums.js");
for (const [name, values] of Object.entries(fs.existsSync(enumFile) ? evaluate(enumFile, "", true) : {})) {
  if (values && typeof values === "object") enums[name.replace(/^_/, "")] = Object.values(values);
}

// enumOf: structure name → member name → enum name, from the type declarations.
const enumOf = {};
for (const file of fs.readdirSync(path.join(pkg, "dist-types/models"))) {
  if (!/^models_\d+\.d\.ts$/.test(file)) continue;
  let current = null;
  for (const line of fs.readFileSync(path.join(pkg, "dist-types/models", file), "utf8").split("\n")) {
    const start = line.match(/^export interface (\w+)/);
    if (start) { current = enumOf[start[1]] = {}; continue; }
    if (line === "}") { current = null; continue; }
    const member = line.match(/^    (\w+)\??: _?(\w+)(?:\[\])? \| undefined;$/);
    if (current && member && enums[member[2]]) current[member[1]] = member[2];
  }
}

// --- widths of numbers, from the Go module ------------------------------------

const goField = {};
const goFiles = [path.join(goSDK, "types/types.go"),
  ...fs.readdirSync(goSDK).filter((f) => /^api_op_.*\.go$/.test(f)).map((f) => path.join(goSDK, f))];
for (const file of goFiles) {
  let current = null;
  for (const line of fs.readFileSync(file, "utf8").split("\n")) {
    const start = line.match(/^type (\w+) struct \{/);
    if (start) { current = goField[start[1]] = {}; continue; }
    if (line === "}") { current = null; continue; }
    const field = line.match(/^\t(\w+) (\S+)$/);
    if (current && field) current[field[1]] = field[2];
  }
}
const widths = { int32: "integer", int64: "long", float32: "float", float64: "double" };

// --- the model ----------------------------------------------------------------

const STRING = 0, NUMBER = 1, BOOLEAN = 2, TIME = 4, BLOB = 21, LIST = 64, MAP = 128;
const KIND_LIST = 1, KIND_MAP = 2, KIND_STRUCT = 3, KIND_UNION = 4, KIND_ERROR = -3, KIND_OPERATION = 9;
const TRAIT_LABEL = 1, TRAIT_TOKEN = 4, TRAIT_SENSITIVE = 8;

const deref = (s) => (typeof s === "function" ? s() : s);

const shapes = {};
const used = new Set();

// scalar resolves a schema to {type, traits}; traits are those of the target.
function scalar(schema, owner, member) {
  let traits = {};
  let bits = 0;
  while (Array.isArray(schema) && schema[0] === 0) { // a named simple type with traits
    bits |= typeof schema[3] === "number" ? schema[3] : 0;
    if (typeof schema[3] === "object") traits = { ...traits, ...schema[3] };
    schema = deref(schema[4]);
  }
  switch (schema) {
    case STRING: return { type: "string", bits, traits };
    case BOOLEAN: return { type: "boolean", bits, traits };
    case TIME: case 5: return { type: "timestamp", bits, traits };
    case BLOB: return { type: "blob", bits, traits };
    case NUMBER: {
      const go = goField[owner]?.[member[0].toUpperCase() + member.slice(1)];
      const width = go && widths[go.replace(/^(map\[string\]|[*[\]])+/, "")];
      if (!width) console.error(`warning: no width known for ${owner}.${member} (${go}); integer taken`);
      return { type: width ?? "integer", bits, traits };
    }
  }
  throw new Error(`unknown schema ${JSON.stringify(schema)} at ${owner}.${member}`);
}

// split separates a member's schema from its own traits.
function split(raw) {
  if (Array.isArray(raw) && raw.length === 2) { // [schema, traits]; a schema itself is longer
    return [deref(raw[0]), raw[1]];
  }
  return [deref(raw), 0];
}

function target(schema, goOwner, member, out) {
  if (Array.isArray(schema) && (schema[0] === KIND_STRUCT || schema[0] === KIND_UNION)) {
    out.type = "structure";
    out.shape = schema[2];
    structure(schema);
    return;
  }
  if (Array.isArray(schema) && schema[0] === KIND_LIST) {
    const [inner, traits] = split(schema[4]);
    const element = {};
    target(inner, goOwner, member, element);
    if (traits?.xmlName) element.xml = traits.xmlName;
    out.type = "list";
    out.list = element;
    return;
  }
  if (Array.isArray(schema) && schema[0] === KIND_MAP) { // with text for keys
    out.type = "map";
    out.list = {};
    target(split(schema[5])[0], goOwner, member, out.list);
    return;
  }
  if (typeof schema === "number" && schema >= MAP) {
    out.type = "map";
    out.list = scalarInto(schema & ~MAP, goOwner, member);
    return;
  }
  if (typeof schema === "number" && schema >= LIST && schema < MAP) {
    out.type = "list";
    out.list = scalarInto(schema & ~LIST, goOwner, member);
    return;
  }
  Object.assign(out, scalarInto(schema, goOwner, member));
}

function scalarInto(schema, owner, member) {
  const s = scalar(schema, owner, member);
  const out = { type: s.type };
  if (s.bits & TRAIT_SENSITIVE) out.sensitive = true;
  return out;
}

function structure(schema, goName) {
  const [, , name, , members, types, required = 0] = schema;
  if (used.has(name)) return;
  used.add(name);
  const shape = (shapes[name] = { members: {} });
  members.forEach((member, i) => {
    const [type, traits] = split(types[i]);
    const out = {};
    const owner = goField[name] ? name : goName;
    target(type, owner, member, out);
    const e = enumOf[name]?.[member];
    const leaf = out.list ?? out;
    if (e && leaf.type === "string") leaf.enum = e;
    if (traits && typeof traits === "object") {
      if (traits.ec2QueryName) out.query = traits.ec2QueryName;
      if (traits.xmlName) out.xml = traits.xmlName;
      if (traits.idempotencyToken) out.token = true;
      if (traits.httpQuery) out.param = traits.httpQuery;
      if (traits.httpHeader) out.header = traits.httpHeader;
    } else if (typeof traits === "number") {
      if (traits & TRAIT_LABEL) out.label = true;
      if (traits & TRAIT_TOKEN) out.token = true;
      if (traits & TRAIT_SENSITIVE) out.sensitive = true;
    }
    if (i < required) out.required = true;
    shape.members[member] = out;
  });
}

const operations = {};
for (const s of Object.values(schemas)) {
  if (Array.isArray(s) && s[0] === KIND_OPERATION) operations[s[2]] = s;
}
const wanted = fs.readFileSync(path.join(modelDir, "actions.tsv"), "utf8").split("\n")
  .filter((l) => l && !l.startsWith("#")).map((l) => l.split("\t"))
  .filter(([s]) => s === service).map(([, op]) => op);

const manifest = JSON.parse(fs.readFileSync(path.join(pkg, "package.json"), "utf8"));
const model = {
  source: `npm ${manifest.name} ${manifest.version}`,
  service, ...protocols[service], operations: {}, errors: {}, shapes: {}, enums: {},
};
for (const op of wanted.sort()) {
  const schema = operations[op];
  if (!schema) throw new Error(`${service} has no operation ${op}`);
  const [input, output] = [deref(schema[4]), deref(schema[5])];
  const entry = (model.operations[op] = {});
  if (model.protocol === "rest-xml") [entry.method, entry.path, entry.status] = schema[3].http;
  if (Array.isArray(input)) { entry.input = input[2]; structure(input, `${op}Input`); }
  if (Array.isArray(output)) { entry.output = output[2]; structure(output, `${op}Output`); }
}
// REST-XML services name an error as its shape, with a status of its own. JSON services name an error as its shape, with status 400 or 500: the codes and
// statuses noted in their schema are those of a query protocol they once had.
for (const s of model.protocol === "json" ? [] : Object.values(schemas)) {
  if (Array.isArray(s) && s[0] === KIND_ERROR && model.protocol === "rest-xml" && s[3]?.error) {
    model.errors[s[2]] = { code: s[2], status: s[3].httpError ?? 400 };
  } else if (Array.isArray(s) && s[0] === KIND_ERROR && s[3]?.awsQueryError) {
    const [code, status] = s[3].awsQueryError;
    model.errors[s[2]] = { code, status };
  }
}
for (const name of Object.keys(shapes).sort()) model.shapes[name] = shapes[name];
const enumNames = new Set();
for (const shape of Object.values(shapes)) {
  for (const m of Object.values(shape.members)) if ((m.list ?? m).enum) enumNames.add((m.list ?? m).enum);
}
for (const name of [...enumNames].sort()) model.enums[name] = enums[name];
if (!Object.keys(model.errors).length) delete model.errors;

// One member, operation or enum a line: the file is read in diffs.
function lines(object, indent, leaf) {
  return Object.entries(object).map(([k, v]) => `${indent}${JSON.stringify(k)}: ${leaf(v)}`).join(",\n");
}
const flat = (v) => JSON.stringify(v);
const sections = Object.entries(model).map(([key, value]) => {
  if (typeof value === "string") return `  ${JSON.stringify(key)}: ${flat(value)}`;
  const leaf = key !== "shapes" ? flat : (s) => {
    const body = lines(s.members, "      ", flat);
    return body ? `{"members": {\n${body}\n    }}` : `{"members": {}}`;
  };
  return `  ${JSON.stringify(key)}: {\n${lines(value, "    ", leaf)}\n  }`;
});
fs.writeFileSync(path.join(modelDir, `${service}.json`), `{\n${sections.join(",\n")}\n}\n`);
fs.writeFileSync(path.join(modelDir, `${service}-operations.txt`), Object.keys(operations).sort().join("\n") + "\n");
console.log(`${service}: ${wanted.length} of ${Object.keys(operations).length} operations, ${Object.keys(shapes).length} structures, ${enumNames.size} enums`);
