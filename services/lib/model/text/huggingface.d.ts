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
  export class Template {
    parsed: Program;
    constructor(source: string);
  }
  export class Environment {
    set(name: string, value: unknown): void;
  }
  export class Interpreter {
    constructor(environment: Environment);
    run(program: Program): { value: unknown };
  }
}
