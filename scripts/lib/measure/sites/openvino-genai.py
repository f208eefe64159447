"""Serves OpenVINO GenAI's continuous batching over standard input and output, so that no server of ours slows it.

Takes one JSON object a line, {"id", "prompt": [token ids], "output": tokens}; after each step that made some it writes
one line {"tokens": {id: how many}}. Ends with its input.
"""

import argparse
import json
import queue
import sys
import threading

import numpy
import openvino
import openvino_genai

options = argparse.ArgumentParser()
options.add_argument('model')
options.add_argument('--threads', type=int, required=True)
options.add_argument('--clients', type=int, required=True)
options.add_argument('--cache-gib', type=int, required=True)
options = options.parse_args()

scheduler = openvino_genai.SchedulerConfig()
scheduler.max_num_batched_tokens = max(512, options.clients)
scheduler.max_num_seqs = options.clients
scheduler.cache_size = options.cache_gib
scheduler.dynamic_split_fuse = True
scheduler.enable_prefix_caching = False
pipeline = openvino_genai.ContinuousBatchingPipeline(
    options.model, scheduler, 'CPU', {'INFERENCE_NUM_THREADS': options.threads}
)

requests = queue.SimpleQueue()


def read_input():
    for line in sys.stdin:
        requests.put(json.loads(line))
    requests.put(None)


def say(message):
    sys.stdout.write(json.dumps(message) + '\n')
    sys.stdout.flush()


def accept(request):
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = config.min_new_tokens = request['output']
    config.do_sample = False
    config.ignore_eos = True
    prompt = openvino.Tensor(numpy.array([request['prompt']], dtype=numpy.int64))
    return pipeline.add_request(request['id'], prompt, config)


def made_by(handle):
    count = 0
    while handle.can_read():
        count += sum(len(output.generated_ids) for output in handle.read().values())
    return count


threading.Thread(target=read_input, daemon=True).start()
say({'ready': openvino_genai.__version__})
running, left = {}, {}
while True:
    # Waits only while there is nothing to compute.
    while not running or not requests.empty():
        request = requests.get()
        if request is None:
            sys.exit(0)
        running[request['id']] = accept(request)
        left[request['id']] = request['output']
    pipeline.step()
    made = {id: count for id, handle in running.items() if (count := made_by(handle))}
    if made:
        say({'tokens': made})
    for id, count in made.items():
        left[id] -= count
        if left[id] <= 0:
            del running[id], left[id]
