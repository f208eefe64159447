import { formOfFormat, readForm } from '../../../services/lib/openai/fields/constraints.js';
import { thrownBy } from '../../support/thrown-by.js';

const schema = { type: 'object' };
const jsonSchema = { kind: 'json_schema', schema };

describe('the fields that ask for a form', () => {
  it.each([
    [{}, null, ''],
    [{ response_format: null, grammar: '', guided_regex: '', structured_outputs: {} }, null, ''],
    [{ response_format: { type: 'text' } }, null, ''],
    [{ response_format: { type: 'json_object' } }, { kind: 'json_object' }, 'response_format'],
    [{ response_format: { type: 'json_object', schema } }, jsonSchema, 'response_format.schema'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } } },
      jsonSchema,
      'response_format.json_schema.schema',
    ],
    [{ response_format: { type: 'json_schema', schema } }, jsonSchema, 'response_format.schema'],
    [{ structured_outputs: { json: schema } }, jsonSchema, 'structured_outputs.json'],
    [
      { structured_outputs: { json: '{"type":"object"}', regex: null } },
      jsonSchema,
      'structured_outputs.json',
    ],
    [
      { structured_outputs: { json_object: true } },
      { kind: 'json_object' },
      'structured_outputs.json_object',
    ],
    [
      { structured_outputs: { choice: ['a', 'b'] } },
      { kind: 'choice', choices: ['a', 'b'] },
      'structured_outputs.choice',
    ],
    [{ structured_outputs: { json_object: false } }, null, ''],
    [{ guided_json: schema }, jsonSchema, 'guided_json'],
    [{ guided_choice: ['a'] }, { kind: 'choice', choices: ['a'] }, 'guided_choice'],
    [{ guided_grammar: 'root ::= "a"' }, { kind: 'grammar', grammar: 'root ::= "a"' }, 'guided_grammar'],
    [{ grammar: 'root ::= "a"' }, { kind: 'grammar', grammar: 'root ::= "a"' }, 'grammar'],
    [{ json_schema: '{"type":"object"}' }, jsonSchema, 'json_schema'],
    [{ regex: 'a+' }, { kind: 'regex', pattern: 'a+' }, 'regex'],
    [{ ebnf: 'root ::= "a"' }, { kind: 'grammar', grammar: 'root ::= "a"' }, 'ebnf'],
    [{ format: 'json' }, { kind: 'json_object' }, 'format'],
    [{ format: schema }, jsonSchema, 'format'],
  ])('%j', (request, form, param) => {
    expect(readForm(request)).toEqual(form === null ? null : { form, param });
  });

  it.each([
    [{ response_format: 'json' }, 'response_format'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      'response_format.json_schema.schema',
    ],
    [{ response_format: { type: 'json_schema', json_schema: 'x' } }, 'response_format.json_schema'],
    [{ structured_outputs: { regex: 'a', choice: ['a'] } }, 'structured_outputs.choice'],
    [{ structured_outputs: [] }, 'structured_outputs'],
    [{ guided_choice: [] }, 'guided_choice'],
    [{ guided_choice: [1] }, 'guided_choice'],
    [{ guided_json: '{' }, 'guided_json'],
    [{ guided_json: 5 }, 'guided_json'],
    [{ grammar: 5 }, 'grammar'],
    [{ format: 'xml' }, 'format'],
  ])('refuses %j', async (request, param) => {
    expect(await thrownBy(() => readForm(request))).toMatchObject({ code: 'invalid_value', param });
  });

  it.each([
    [{ structural_tag: { x: 1 } }, 'structural_tag'],
    [
      { structured_outputs: { json: schema, whitespace_pattern: ' ' } },
      'structured_outputs.whitespace_pattern',
    ],
    [{ guided_whitespace_pattern: ' ' }, 'guided_whitespace_pattern'],
  ])('says that %j is not supported', async (request, param) => {
    expect(await thrownBy(() => readForm(request))).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('names both of two that ask at once', async () => {
    const error = await thrownBy(() => readForm({ grammar: 'root ::= "a"', json_schema: schema }));
    expect(error).toMatchObject({ code: 'invalid_value', param: 'json_schema' });
    expect(error.message).toMatch(/grammar and json_schema/);
  });

  it('reads the format of Responses, where the schema is beside the type', () => {
    const format = { type: 'json_schema', name: 'x', schema, strict: true };
    expect(formOfFormat(format, 'text.format')).toEqual({ form: jsonSchema, param: 'text.format.schema' });
  });
});
