"""LangChain's ChatOpenAI."""

import openai
from cases import KEY, MODEL, QUESTION, URL, Skip, check, fails, run
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, Field


def model_of(**options) -> ChatOpenAI:
    return ChatOpenAI(**{"model": MODEL, "base_url": f"{URL}/v1", "api_key": KEY, "max_tokens": 32, **options})


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)


@tool
def weather(city: str, days: int) -> str:
    """The weather in a city."""
    return f"{days} days of sun in {city}"


def invoke():
    answer = model_of().invoke([("system", "Be brief."), ("human", QUESTION)])
    check(answer.content and answer.usage_metadata["output_tokens"] <= 32, answer)


def stream():
    whole = model_of(temperature=0).invoke(QUESTION)
    chunks = list(model_of(temperature=0).stream(QUESTION))
    check("".join(chunk.content for chunk in chunks) == whole.content, chunks)


def batch():
    answers = model_of().batch([QUESTION, "Why is grass green?"])
    check(len(answers) == 2 and all(answer.content for answer in answers), answers)


def completions():
    check(OpenAI(model=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_tokens=8).invoke("The sky is"), "no text")


def responses():
    answer = model_of(use_responses_api=True).invoke(QUESTION)
    check(answer.text, answer)


def log_probabilities():
    answer = model_of(logprobs=True, top_logprobs=2).invoke(QUESTION)
    check(answer.response_metadata["logprobs"]["content"], answer.response_metadata)


def tools_auto():
    answer = model_of().bind_tools([weather]).invoke(QUESTION)
    check(isinstance(answer, AIMessage), answer)


def tools_required():
    try:
        answer = model_of(max_tokens=128).bind_tools([weather], tool_choice="any", parallel_tool_calls=False).invoke(QUESTION)
    except openai.BadRequestError as error:
        raise refused(error)
    check(answer.tool_calls[0]["name"] == "weather" and set(answer.tool_calls[0]["args"]) == {"city", "days"}, answer)


def tool_results():
    call = {"id": "call_1", "name": "weather", "args": {"city": "Rome", "days": 2}}
    conversation = [HumanMessage(QUESTION), AIMessage("", tool_calls=[call]), ToolMessage("sunny", tool_call_id="call_1")]
    check(isinstance(model_of().bind_tools([weather]).invoke(conversation), AIMessage), "no message")


def schema_helper():
    check(isinstance(model_of(max_tokens=128).with_structured_output(Person).invoke(QUESTION), Person), "no person")


def errors():
    fails(openai.NotFoundError, lambda: model_of(model="no-such-model").invoke(QUESTION))
    fails(openai.BadRequestError, lambda: model_of(temperature=9).invoke(QUESTION))


def pauses():
    patient = model_of(max_tokens=3, timeout=openai.Timeout(120, read=18), max_retries=0)
    chunks = list(patient.stream(QUESTION))
    check(chunks, "no chunks")


def timeouts():
    fails(openai.APITimeoutError, lambda: model_of(timeout=2, max_retries=0).invoke(QUESTION))


def refused(error: openai.BadRequestError) -> Exception:
    return Skip(f"the server refuses it: {error.param}") if error.code == "unsupported_parameter" else error


run(
    "langchain-openai",
    [
        invoke, stream, batch, completions, responses, log_probabilities, tools_auto, tools_required, tool_results,
        schema_helper, errors,
    ],
    [pauses, timeouts],
)  # fmt: skip
