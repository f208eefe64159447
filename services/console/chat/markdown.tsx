import { lexer, type Token, type Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { memo } from 'preact/compat';

/**
 * Markdown as elements. The text of a model is cut into tokens and each is drawn as an element of our own choosing: no HTML is
 * ever made of it, so that what it says in tags is shown as text, images are links, and links go to the web or nowhere.
 */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return <div class="prose">{blocks(lexer(text, { gfm: true }))}</div>;
});

const blocks = (tokens: readonly Token[] | undefined): ComponentChildren => tokens?.map(block);
const inlines = (tokens: readonly Token[] | undefined): ComponentChildren => tokens?.map(inline);

function block(token: Token): ComponentChildren {
  switch (token.type) {
    case 'heading': {
      // The page has headings of its own above.
      const Level = `h${Math.min(6, (token as Tokens.Heading).depth + 2)}` as 'h3';
      return <Level>{inlines(token.tokens)}</Level>;
    }
    case 'paragraph':
      return <p>{inlines(token.tokens)}</p>;
    case 'code': {
      const { text, lang } = token as Tokens.Code;
      return (
        <pre data-language={lang} tabIndex={0}>
          <code>{text}</code>
        </pre>
      );
    }
    case 'blockquote':
      return <blockquote>{blocks(token.tokens)}</blockquote>;
    case 'list':
      return list(token as Tokens.List);
    case 'table':
      return table(token as Tokens.Table);
    case 'hr':
      return <hr />;
    case 'space':
    case 'def':
      return null;
    case 'text':
      return token.tokens === undefined ? (token as Tokens.Text).text : inlines(token.tokens);
    default:
      return <p>{token.raw}</p>;
  }
}

function list({ ordered, start, items }: Tokens.List): VNode {
  const drawn = items.map((item) => <li>{blocks(item.tokens)}</li>);
  return ordered ? <ol start={start === '' ? 1 : start}>{drawn}</ol> : <ul>{drawn}</ul>;
}

function table({ header, rows }: Tokens.Table): VNode {
  return (
    <div class="scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {header.map((cell) => (
              <th>{inlines(cell.tokens)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.map((cell) => (
                <td>{inlines(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(token: Token): ComponentChildren {
  switch (token.type) {
    case 'strong':
      return <strong>{inlines(token.tokens)}</strong>;
    case 'em':
      return <em>{inlines(token.tokens)}</em>;
    case 'del':
      return <del>{inlines(token.tokens)}</del>;
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>;
    case 'br':
      return <br />;
    case 'link':
      return link((token as Tokens.Link).href, inlines(token.tokens), token.raw);
    case 'image': {
      const { href, text } = token as Tokens.Image;
      return link(href, `image: ${text === '' ? href : text}`, token.raw);
    }
    case 'escape':
      return (token as Tokens.Escape).text;
    case 'text':
      return token.tokens === undefined ? (token as Tokens.Text).text : inlines(token.tokens);
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
