"""Asks Python what package py must say, and writes it beside: python.json. Run with Python 3.11."""
import collections
import difflib
import json
import os

TEXTS = ['', ' ', '{', '}', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{a:1}', '{"a" 1}', '{"a":1 "b":2}', "{'a':1}",
         '[', '[1', '[1,', '[1,]', '[1 2]', '"', '"abc', '"a\\', '"a\\x"', '"a\\u12"', '"a\\u12g4"', '"a\nb"', '"a\tb"', 'nul', 'nulll',
         'tru', '-', '-a', '01', '1.', '1.e5', '1e', '+1', '.5', '1 2', '\n\n  x', '{\n "a": 1,\n "b" 2}', 'é x', '["é", x]',
         '{"é": "ü" x', '\ufeff{}', '{"a":1}{"b":2}', '[1,2', '{"a":[1,{"b":}]}', '"\\ud83d"x', '1e400', '-0', '1E5', '1.50',
         '123456789012345678901234567890', '{"b":1,"a":2,"b":3}', '"\\u00e9\\ud83d\\ude00"', ' [ 1 , { "a" : null } ] ', '{"a": tru}', 'NaN', '[Infinity,-Infinity]',
         '-Inf', '-Infinityx']
VALUES = ['', 'a', "it's", '"', '\'"', 'a\\b', 'a\nb\t\r', '\x00\x1f\x7f', 'é', '日本', '\u200b', '\xa0', '😀', 0, -1, 10**30, 1.0, 1.5,
          1e16, 1e-5, 1e15, 0.0001, 123456.789, 1e22, True, False, None, [], [1, 'a', None], {}, float('inf'), [float('-inf'), float('nan')], {'a': 1, 'b': {'c': ["x"]}}]
INTS = ['1', ' 1 ', '+1', '-1', '--1', '+-1', '1_0', '1__0', '_1', '1_', '', ' ', '1.0', '0x1', '007', '1 0', '-', '1e3', '99999999999999999999', '\t5\n']
WORDS = ['describe-job-executio', 'get-pending', 'update-job', 'inputs', 'outputs', 'output', 'start-next-pending-job', 'helpp', 'hel', 'x', '']
CHOICES = ['describe-job-execution', 'get-pending-job-executions', 'start-next-pending-job-execution', 'update-job-execution', 'help', 'input', 'output']


def decoded(text):
    try:
        return {"text": text, "repr": repr(json.loads(text)), "ordered": repr(json.loads(text, object_pairs_hook=collections.OrderedDict))}
    except ValueError as e:
        return {"text": text, "error": str(e)}


def integer(text):
    try:
        return str(int(text))
    except ValueError:
        return None


out = {
    "decode": [decoded(t) for t in TEXTS],
    "spell": [{"json": json.dumps(v), "repr": repr(v), "str": str(v), "indented": json.dumps(v, indent=4, ensure_ascii=False),
               "compact": json.dumps(v, separators=(",", ":"))} for v in VALUES],
    "int": [{"text": t, "value": integer(t)} for t in INTS],
    "match": [{"word": w, "close": difflib.get_close_matches(w, CHOICES, cutoff=0.8)} for w in WORDS],
    "choices": CHOICES,
}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "python.json"), "w") as f:
    json.dump(out, f, indent=1)
    f.write("\n")
