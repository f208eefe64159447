import type { Token, Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { memo } from 'preact/compat';
import { useRef } from 'preact/hooks';
import { blocksOf } from './blocks.js';

/** Deeper ones are shown as they were written. */
const MAX_DEPTH = 24;

/**
 * Markdown as elements. The text of a model is cut into tokens and each is drawn as an element of our own choosing: no HTML is
 * ever made of it, so that what it says in tags is shown as text, images are links, and links go to the web or nowhere.
 */
export const Markdown = memo(function Markdown({ text, isWhole }: { text: string; isWhole: boolean }) {
  const known = useRef<readonly Token[]>([]);
  // At its end what stands in one place may name what stands in another.
  known.current = blocksOf(text, isWhole ? [] : known.current);
  return (
    <div class="prose">
      {known.current.map((token, index) => (
        <Block key={index} token={token} />
      ))}
    </div>
  );
});

/** One that has not changed is not drawn anew. */
const Block = memo(function Block({ token }: { token: Token }) {
  return <>{block(token, 0)}</>;
});

const blocks = (tokens: readonly Token[] | undefined, depth: number): ComponentChildren =>
  tokens?.map((token) => block(token, depth + 1));
const inlines = (tokens: readonly Token[] | undefined, depth: number): ComponentChildren =>
  tokens?.map((token) => inline(token, depth + 1));

function block(token: Token, depth: number): ComponentChildren {
  if (depth > MAX_DEPTH) return token.raw;
  switch (token.type) {
    case 'heading': {
      // The page has headings of its own above.
      const Level = `h${Math.min(6, (token as Tokens.Heading).depth + 2)}` as 'h3';
      return <Level>{inlines(token.tokens, depth)}</Level>;
    }
    case 'paragraph':
      return <p>{inlines(token.tokens, depth)}</p>;
    case 'code': {
      const { text, lang } = token as Tokens.Code;
      return (
        <pre data-language={lang} tabIndex={0}>
          <code>{text}</code>
        </pre>
      );
    }
    case 'blockquote':
      return <blockquote>{blocks(token.tokens, depth)}</blockquote>;
    case 'list':
      return list(token as Tokens.List, depth);
    case 'table':
      return table(token as Tokens.Table, depth);
    case 'hr':
      return <hr />;
    case 'space':
    case 'def':
      return null;
    case 'text':
      return token.tokens === undefined ? (token as Tokens.Text).text : inlines(token.tokens, depth);
    default:
      return <p>{token.raw}</p>;
  }
}

function list({ ordered, start, items }: Tokens.List, depth: number): VNode {
  const drawn = items.map((item) => <li>{blocks(item.tokens, depth)}</li>);
  return ordered ? <ol start={start === '' ? 1 : start}>{drawn}</ol> : <ul>{drawn}</ul>;
}

function table({ header, rows }: Tokens.Table, depth: number): VNode {
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {header.map((cell) => (
              <th>{inlines(cell.tokens, depth)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.map((cell) => (
                <td>{inlines(cell.tokens, depth)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(token: Token, depth: number): ComponentChildren {
  if (depth > MAX_DEPTH) return token.raw;
  switch (token.type) {
    case 'strong':
      return <strong>{inlines(token.tokens, depth)}</strong>;
    case 'em':
      return <em>{inlines(token.tokens, depth)}</em>;
    case 'del':
      return <del>{inlines(token.tokens, depth)}</del>;
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>;
    case 'br':
      return <br />;
    case 'link':
      return link((token as Tokens.Link).href, inlines(token.tokens, depth), token.raw);
    case 'image': {
      const { href, text } = token as Tokens.Image;
      return link(href, `image: ${text === '' ? href : text}`, token.raw);
    }
    case 'escape':
      return (token as Tokens.Escape).text;
    case 'text':
      return token.tokens === undefined ? (token as Tokens.Text).text : inlines(token.tokens, depth);
    default:
      return token.raw;
  }
}

/** Anything but the web, such as `javascript:`, is shown as it was written. */
function link(href: string, children: ComponentChildren, raw: string): ComponentChildren {
  if (!/^https?:\/\//i.test(href)) return raw;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
