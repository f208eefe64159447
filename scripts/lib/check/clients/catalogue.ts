/** A program that speaks to the server by one client, or a tool from outside, unmodified. Its cases are in test/clients. */
export interface Client {
  /** By which `--only` selects it. */
  readonly name: string;
  readonly title: string;
  readonly runtime: 'python' | 'node' | 'go' | 'java';
  /** Below the runtime's folder of test/clients: a file, in Go a package, in Java a class. */
  readonly program: string;
  /** What pip installs; the other runtimes have files that say it. */
  readonly packages?: readonly string[];
  /** Whether it has the cases `pauses` and `timeouts`, for a server whose steps take 20 seconds. */
  readonly slow: boolean;
  /** It measures the server: it is left out unless it is asked for by name, and nothing is guessed then. */
  readonly measures?: true;
}

/** The ones people use most come first. */
export const CLIENTS: readonly Client[] = [
  python('openai-python', 'OpenAI for Python', 'openai_cases', ['openai==3.57.0']),
  python('anthropic-python', 'Anthropic for Python', 'anthropic_cases', ['anthropic==2.14.0']),
  python('ollama-python', 'Ollama for Python', 'ollama_cases', ['ollama==0.6.3']),
  node('openai-node', 'OpenAI for Node', 'openai.mjs'),
  node('anthropic-node', 'Anthropic for Node', 'anthropic.mjs'),
  node('ollama-node', 'Ollama for Node', 'ollama.mjs'),
  { name: 'openai-go', title: 'OpenAI for Go', runtime: 'go', program: 'openai', slow: true },
  { name: 'openai-java', title: 'OpenAI for Java', runtime: 'java', program: 'OpenAICases', slow: true },
  python('langchain', 'LangChain ChatOpenAI', 'langchain_cases', ['langchain-openai==1.7.4']),
  python('litellm', 'LiteLLM', 'litellm_cases', ['litellm==1.110.2']),
  node('ai-sdk', 'Vercel AI SDK', 'ai-sdk.mjs'),
  python('open-webui', "Open WebUI's calls", 'open_webui_cases', ['httpx==0.28.1']),
  { name: 'anthropic-go', title: 'Anthropic for Go', runtime: 'go', program: 'anthropic', slow: true },
  { name: 'ollama-go', title: 'Ollama for Go', runtime: 'go', program: 'ollama', slow: true },
  tool('schemathesis', 'Schemathesis', 'schemathesis_cases', ['schemathesis==4.32.5']),
  tool('lm-eval', 'lm-evaluation-harness', 'lm_eval_cases', ['lm-eval[api]==0.4.13', 'transformers==5.24.0']),
  // It wants the machine to itself, and six gigabytes of it.
  { ...tool('guidellm', 'GuideLLM', 'guidellm_cases', ['guidellm==0.8.1']), measures: true },
];

function python(name: string, title: string, module: string, packages: readonly string[]): Client {
  return { name, title, runtime: 'python', program: `${module}.py`, packages, slow: true };
}

function tool(name: string, title: string, module: string, packages: readonly string[]): Client {
  return { ...python(name, title, module, packages), slow: false };
}

function node(name: string, title: string, program: string): Client {
  return { name, title, runtime: 'node', program, slow: true };
}
