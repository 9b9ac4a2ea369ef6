"""Runs the AWS CLI many times without paying for its start each time.

Reads a JSON object a line: args, env, dir, and the files for stdout and stderr. Each is run in a fork of this
process, which has the CLI loaded, as the program `aws` would run it. Writes the exit code, a line each.
"""
import json
import os
import sys
import traceback

# Loaded before the first fork, and not used here.
import awscli.clidriver
import awscli.handlers  # noqa: F401
import botocore.client  # noqa: F401
import botocore.httpsession  # noqa: F401


def run(call):
    for fd, path, flags in (0, os.devnull, os.O_RDONLY), (1, call["stdout"], os.O_WRONLY), (2, call["stderr"], os.O_WRONLY):
        os.dup2(os.open(path, flags), fd)
    data = os.environ["AWS_DATA_PATH"]  # set when awscli was loaded
    os.environ.clear()
    os.environ.update(call["env"], AWS_DATA_PATH=data)
    os.chdir(call["dir"])
    sys.argv = ["aws"] + call["args"]
    code = 1
    try:
        code = awscli.clidriver.main()
    except SystemExit as exit:
        code = exit.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
