// The two libraries' own declarations import without file endings, which Node's module resolution does not
// follow: without these everything that they export would be `any`. Only what is used here is declared.

declare module '@huggingface/tokenizers' {
  export class Tokenizer {
    constructor(tokenizer: object, config: object);
    encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
    decode(ids: number[], options?: { skip_special_tokens?: boolean }): string;
  }
  export class SplitPreTokenizer {
    /** Of the expression, as one of JavaScript's. */
    pattern: RegExp | null;
    constructor(config: { pattern: object; invert: boolean });
  }
}

declare module '@huggingface/jinja' {
  export type Program = object;
  export interface Token {
    readonly type: string;
    readonly value: string;
  }
  export interface Statement {
    readonly type: string;
    readonly value?: string | number | readonly Statement[];
  }
  export interface ForStatement extends Statement {
    readonly iterable: Statement & { readonly lhs?: Statement };
    readonly body: readonly Statement[];
  }
  export interface BinaryExpression extends Statement {
    readonly operator: { readonly value: string };
    readonly left: Statement;
    readonly right: Statement;
  }
  export interface CallExpression extends Statement {
    readonly callee: Statement & {
      readonly object: Statement;
      readonly property: { readonly value: string };
      readonly computed?: boolean;
    };
    readonly args: readonly Statement[];
  }
  export interface TestExpression extends Statement {
    readonly operand: Statement;
    readonly negate: boolean;
    readonly test: { readonly value: string };
  }
  export interface RuntimeValue {
    readonly type: string;
    readonly value: unknown;
    toString(): string;
  }
  export function tokenize(
    source: string,
    options?: { lstrip_blocks?: boolean; trim_blocks?: boolean },
  ): Token[];
  export function parse(tokens: Token[]): Program;
  export class Environment {
    constructor(parent?: Environment);
    set(name: string, value: unknown): void;
  }
  export class Interpreter {
    constructor(environment: Environment);
    run(program: Program): RuntimeValue;
    evaluate(statement: Statement | undefined, environment: Environment): RuntimeValue;
    evaluateFor(node: ForStatement, environment: Environment): RuntimeValue;
    evaluateFilterStatement(node: Statement, environment: Environment): RuntimeValue;
    evaluateBinaryExpression(node: BinaryExpression, environment: Environment): RuntimeValue;
    evaluateCallExpression(node: CallExpression, environment: Environment): RuntimeValue;
    evaluateTestExpression(node: TestExpression, environment: Environment): RuntimeValue;
    applyFilter(operand: RuntimeValue, filter: Statement, environment: Environment): RuntimeValue;
    evaluateBlock(statements: readonly Statement[], environment: Environment): RuntimeValue;
  }
}
