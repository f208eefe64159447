// The two libraries' own declarations import without file endings, which Node's module resolution does not
// follow: without these everything that they export would be `any`. Only what is used here is declared.

declare module '@huggingface/tokenizers' {
  export class Tokenizer {
    /** The vocabulary and its merges. */
    model: object | null;
    constructor(tokenizer: object, config: object);
    encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
    decode(ids: number[], options?: { skip_special_tokens?: boolean }): string;
    token_to_id(token: string): number | undefined;
    id_to_token(id: number): string | undefined;
    get_vocab(): Map<string, number>;
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
