import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { suggestion } from "../runtime/did-you-mean.ts";
import type { OptionValues } from "./option-schemas.ts";
import { optionSchemas } from "./option-schemas.ts";
import type { OptionName } from "./options.ts";
import { options, optionNames, variableOf } from "./options.ts";

/** Something wrong with the operator's input: where it stands, and what. */
export interface Problem {
  /** `--sip`, `AORTA_SIP`, `aorta.yaml:3: sip`, … */
  readonly origin: string;
  readonly message: string;
}

/** What one source gives, each setting checked by itself, with what is wrong in it. */
export interface Source {
  readonly values: OptionValues;
  /** Where each setting of this source stands. */
  readonly origins: ReadonlyMap<OptionName, string>;
  readonly problems: readonly Problem[];
}

/** Settings of the command line, by flag without its dashes. */
export type Flags = Readonly<Partial<Record<OptionName, string | readonly string[]>>>;

/** Settings that the command line gives. */
export function fromFlags(flags: Flags): Source {
  const source = new SourceBuilder();
  for (const name of optionNames) {
    if (flags[name] !== undefined) source.set(name, `--${name}`, flags[name]);
  }
  return source;
}

/** Where the file is: ours, but no setting. */
export const CONFIG_VARIABLE = "AORTA_CONFIG";

/** Kubernetes tells every container by such variables where each service is, of one called aorta or aorta-sip by these; AORTA_PORT and AORTA_SIP_PORT are URLs. */
const KUBERNETES_VARIABLE = /^AORTA_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)|PORT_\d+_(?:TCP|UDP|SCTP))(?:_|$)/;
const isOfKubernetes = (variable: string, value: string): boolean =>
  KUBERNETES_VARIABLE.test(variable) || (variable.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(value));

/** Settings of the environment: every variable that starts with `AORTA_` must be known. An empty one is as good as none. */
export function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Source {
  const source = new SourceBuilder();
  const names = new Map(optionNames.map((name) => [variableOf(name), name]));
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith("AORTA_") || value === undefined || value === "") continue;
    if (variable === CONFIG_VARIABLE || isOfKubernetes(variable, value)) continue;
    const name = names.get(variable);
    if (name === undefined)
      source.refuse(variable, `unknown variable${suggestion(variable, [...names.keys(), CONFIG_VARIABLE])}`);
    else source.set(name, variable, options[name].list ? value.split(",").map((item) => item.trim()) : value);
  }
  return source;
}

/** Settings of a YAML file; paths in it are relative to its folder. */
export function fromFile(file: string): Source {
  const source = new SourceBuilder();
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    source.refuse(file, `cannot be read: ${(error as Error).message}`);
    return source;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  for (const error of document.errors) source.refuse(at(error.pos[0]), error.message);
  if (document.errors.length > 0 || document.contents === null) return source;
  if (!isMap(document.contents)) {
    source.refuse(file, "expected settings, one `name: value` a line");
    return source;
  }
  for (const { key, value } of document.contents.items) {
    const name = String(isScalar(key) ? key.value : key);
    const line = at((isScalar(key) && key.range?.[0]) || 0);
    if (!isOption(name)) source.refuse(line, `unknown setting ${name}${suggestion(name, optionNames)}`);
    else source.set(name, `${line}: ${name}`, isNode(value) ? value.toJS(document) : value);
  }
  for (const name of ["data", "admin-socket", "tls-ca"] as const) {
    const path = source.values[name];
    if (path !== undefined) source.values[name] = resolve(dirname(file), path);
  }
  for (const name of ["tls-cert", "tls-key"] as const) {
    const paths = source.values[name];
    if (paths !== undefined) source.values[name] = paths.map((path) => resolve(dirname(file), path));
  }
  return source;
}

const isOption = (name: string): name is OptionName => Object.hasOwn(options, name);

/** Collects the settings of one source. */
class SourceBuilder implements Source {
  readonly values: OptionValues = {};
  readonly origins = new Map<OptionName, string>();
  readonly problems: Problem[] = [];

  refuse(origin: string, message: string): void {
    this.problems.push({ origin, message });
  }

  set(name: OptionName, origin: string, raw: unknown): void {
    const isList = options[name].list;
    const result = optionSchemas[name].safeParse(isList && !Array.isArray(raw) ? [raw] : raw);
    if (result.success) {
      this.origins.set(name, origin);
      Object.assign(this.values, { [name]: result.data });
    } else {
      for (const { message } of result.error.issues) this.refuse(origin, message);
    }
  }
}
