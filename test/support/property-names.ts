import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import ts from "typescript";

/** Property names as a tree: the names of a resource, and below each the names of the object it holds. */
export interface Names {
  [name: string]: Names;
}

/** The inputs and outputs of one class of an npm package, from its type declarations. */
export interface ClassNames {
  readonly inputs: Names;
  readonly outputs: Names;
}

/**
 * Reads the property names of a class of a Pulumi npm package, for example `classNames("@pulumi/command", "remote/command", "Command")`.
 * @throws when the package has no such class: a renamed class must not compare as "no properties".
 */
export function classNames(npmPackage: string, file: string, className: string): ClassNames {
  const root = dirname(createRequire(import.meta.url).resolve(`${npmPackage}/package.json`));
  const path = join(root, `${file}.d.ts`);
  const program = ts.createProgram([path], compilerOptions, packageOnlyHost());
  const reader = new Reader(program.getTypeChecker());
  const source = program.getSourceFile(path);
  if (source === undefined) throw new Error(`${npmPackage} has no file ${file}.d.ts`);
  const declared = (name: string): ts.ClassDeclaration | ts.InterfaceDeclaration => {
    const found = source.statements.find(
      (statement): statement is ts.ClassDeclaration | ts.InterfaceDeclaration =>
        (ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement)) && statement.name?.text === name,
    );
    if (found === undefined) throw new Error(`${npmPackage}: ${file}.d.ts declares no ${name}`);
    return found;
  };
  return { inputs: reader.members(declared(`${className}Args`)), outputs: reader.members(declared(className)) };
}

const compilerOptions: ts.CompilerOptions = { noLib: true, types: [], skipLibCheck: true };

/** Reads the package's own files only: names need neither the language's library nor Pulumi's SDK, which take seconds. */
function packageOnlyHost(): ts.CompilerHost {
  const host = ts.createCompilerHost(compilerOptions);
  host.resolveModuleNameLiterals = (literals, containingFile) =>
    literals.map(({ text }) =>
      text.startsWith(".")
        ? ts.resolveModuleName(text, containingFile, compilerOptions, host)
        : { resolvedModule: undefined },
    );
  return host;
}

class Reader {
  readonly #checker: ts.TypeChecker;

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  members(declaration: ts.ClassDeclaration | ts.InterfaceDeclaration): Names {
    const names: Names = {};
    for (const member of declaration.members) {
      const isProperty = ts.isPropertySignature(member) || ts.isPropertyDeclaration(member);
      if (!isProperty || member.type === undefined || !ts.isIdentifier(member.name)) continue;
      names[member.name.text] = this.#below(member.type);
    }
    return names;
  }

  /** The names of the objects inside a type; nothing for a string, a number, an enumeration, an asset. */
  #below(node: ts.TypeNode): Names {
    if (ts.isUnionTypeNode(node)) {
      const parts = node.types.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword);
      return Object.assign({}, ...parts.map((part) => this.#below(part)));
    }
    if (ts.isArrayTypeNode(node)) return this.#below(node.elementType);
    if (ts.isTypeLiteralNode(node)) {
      const index = node.members.find(ts.isIndexSignatureDeclaration);
      return index === undefined ? {} : this.#below(index.type);
    }
    if (!ts.isTypeReferenceNode(node)) return {};
    const name = node.typeName.getText();
    const [argument] = node.typeArguments ?? [];
    if ((name === "pulumi.Input" || name === "pulumi.Output") && argument !== undefined) return this.#below(argument);
    if (!name.startsWith("inputs.") && !name.startsWith("outputs.")) return {};
    const declaration = this.#checker.getTypeFromTypeNode(node).symbol?.declarations?.find(ts.isInterfaceDeclaration);
    if (declaration === undefined) throw new Error(`${name} is not declared`);
    return this.members(declaration);
  }
}

/** The part of a Pulumi package schema that says names. */
export interface PackageSchema {
  readonly types?: Readonly<Record<string, { readonly properties?: Readonly<Record<string, PropertySchema>> }>>;
  readonly provider?: ResourceSchema;
  readonly resources?: Readonly<Record<string, ResourceSchema>>;
}

interface ResourceSchema {
  readonly inputProperties?: Readonly<Record<string, PropertySchema>>;
  readonly properties?: Readonly<Record<string, PropertySchema>>;
}

interface PropertySchema {
  readonly $ref?: string;
  readonly items?: PropertySchema;
  readonly additionalProperties?: PropertySchema;
  readonly oneOf?: readonly PropertySchema[];
}

/** The same tree from a plugin's schema. `token` is a resource type, or "provider". */
export function schemaNames(schema: PackageSchema, token: string): ClassNames {
  const resource = token === "provider" ? schema.provider : schema.resources?.[token];
  if (resource === undefined) throw new Error(`the plugin has no ${token}`);
  const below = (property: PropertySchema): Names => {
    if (property.items !== undefined) return below(property.items);
    if (property.additionalProperties !== undefined) return below(property.additionalProperties);
    if (property.oneOf !== undefined) return Object.assign({}, ...property.oneOf.map(below));
    const local = /^#\/types\/(.+)$/.exec(property.$ref ?? "")?.[1];
    if (local === undefined) return {};
    return tree(schema.types?.[decodeURIComponent(local)]?.properties ?? {});
  };
  const tree = (properties: Readonly<Record<string, PropertySchema>>): Names =>
    Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, below(property)]));
  return { inputs: tree(resource.inputProperties ?? {}), outputs: tree(resource.properties ?? {}) };
}
