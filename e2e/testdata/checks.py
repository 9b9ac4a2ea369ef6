"""What the boto3 scripts have in common.

Every function check_... of a script is one check, run in the order of the file.
The output is a line per check, "ok NAME" or "not ok NAME" with the traceback
below it.
"""

import sys
import time
import traceback


def raises(kind, call, **arguments):
    """The call must end in this modelled exception; gives its response."""
    try:
        answer = call(**arguments)
    except kind as error:
        response = error.response
        assert response["Error"]["Message"], "the exception has no message"
        assert response["ResponseMetadata"]["RequestId"], "no x-amzn-RequestId"
        return response
    raise AssertionError(f"got {answer}, want {kind.__name__}")


def until(question, want):
    """Asks again until the answer is there; gives up after a minute."""
    deadline = time.monotonic() + 60
    while (answer := question()) != want:
        assert time.monotonic() < deadline, f"still {answer}, want {want}"
        time.sleep(0.05)


def run(functions):
    """Runs the checks of a script: run(globals())."""
    failed = False
    for name, check in list(functions.items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            print("ok", name.removeprefix("check_"))
        except Exception:
            failed = True
            print("not ok", name.removeprefix("check_"))
            print(traceback.format_exc())
    sys.exit(failed)
