"""Extracts names and numbers, never prose, from the AWS service models that botocore ships.

Run with botocore 1.43.11 installed: `python3 extract.py`. It writes, beside and above itself,
  botocore-facts.tsv         every member of every shape that our operations reach
  ../iot/operations.tsv      every operation of the control plane
  ../jobsdata/operations.tsv every operation of the device plane
facts.tsv itself is kept by hand; a test compares it with botocore-facts.tsv.
"""
import gzip
import json
import os

import botocore

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = {"jobsdata": "iot-jobs-data/2017-09-29", "iot": "iot/2015-05-28"}
OPERATIONS = {
    "jobsdata": """GetPendingJobExecutions StartNextPendingJobExecution DescribeJobExecution
        UpdateJobExecution""",
    "iot": """DescribeEndpoint CreateThing DescribeThing UpdateThing DeleteThing ListThings
        CreateThingGroup DescribeThingGroup DeleteThingGroup ListThingGroups AddThingToThingGroup
        RemoveThingFromThingGroup ListThingsInThingGroup ListThingGroupsForThing CreateJob
        UpdateJob AssociateTargetsWithJob
        DescribeJob ListJobs GetJobDocument CancelJob DeleteJob DescribeJobExecution
        CancelJobExecution DeleteJobExecution ListJobExecutionsForJob ListJobExecutionsForThing
        CreateKeysAndCertificate AttachThingPrincipal ListThingPrincipals
        CreateCertificateFromCsr RegisterCertificateWithoutCA DescribeCertificate ListCertificates
        UpdateCertificate DeleteCertificate DetachThingPrincipal ListThingPrincipalsV2
        ListPrincipalThings ListPrincipalThingsV2
        UpdateThingGroup UpdateThingGroupsForThing
        TagResource UntagResource ListTagsForResource
        CreateThingType DescribeThingType ListThingTypes UpdateThingType DeprecateThingType
        DeleteThingType UpdateEventConfigurations DescribeEventConfigurations""",
}


def text(value):
    return "-" if value is None else str(value)


class Walk:
    """Follows the shapes of one service from its operations down."""

    def __init__(self, package, model):
        self.package, self.shapes, self.seen, self.rows = package, model["shapes"], set(), []

    def member(self, shape, name, location, required, target):
        t = self.shapes[target]
        self.rows.append([
            f"{self.package}.{shape}", name, location, "required" if required else "-",
            text(t.get("min")), text(t.get("max")), text(t.get("pattern")), ",".join(t.get("enum", [])) or "-",
        ])
        if t["type"] == "structure":
            self.structure(target, target)
        elif t["type"] == "list":
            self.member(shape, name + "[]", "-", False, t["member"]["shape"])
        elif t["type"] == "map":
            self.member(shape, name + "{key}", "-", False, t["key"]["shape"])
            self.member(shape, name + "{value}", "-", False, t["value"]["shape"])

    def structure(self, name, target):
        if name in self.seen:
            return
        self.seen.add(name)
        t = self.shapes[target]
        for member, ref in t.get("members", {}).items():
            where = {"querystring": "query"}.get(ref.get("location"), ref.get("location", "body"))
            wire_name = ref.get("locationName", member)
            if where != "body" or wire_name != member:
                where += ":" + wire_name
            self.member(name, member, where, member in t.get("required", []), ref["shape"])


def main():
    rows = []
    for package, version in MODELS.items():
        path = os.path.join(os.path.dirname(botocore.__file__), "data", version, "service-2.json.gz")
        with gzip.open(path) as f:
            model = json.load(f)
        walk = Walk(package, model)
        for name in OPERATIONS[package].split():
            operation = model["operations"][name]
            walk.structure(name + "Input", operation["input"]["shape"])
            if "output" in operation:
                walk.structure(name + "Output", operation["output"]["shape"])
        rows += walk.rows
        with open(os.path.join(HERE, "..", package, "operations.tsv"), "w") as f:
            f.write(f"# Every operation of the AWS service model {version} as botocore {botocore.__version__} ships it:\n"
                    "# names, methods and paths only. Made by ../testdata/extract.py.\n"
                    "operation\tmethod\tpath\tstatus\treply\n")
            for name, o in sorted(model["operations"].items()):
                http = o["http"]
                f.write("\t".join([name, http["method"], http["requestUri"], str(http.get("responseCode", 200)),
                                   "body" if "output" in o else "-"]) + "\n")
    with open(os.path.join(HERE, "botocore-facts.tsv"), "w") as f:
        f.write("# The facts of the AWS service models " + ", ".join(sorted(MODELS.values())) +
                f" as botocore {botocore.__version__} ships them,\n"
                "# for the operations Drover has: names and numbers, no prose. Made once by extract.py; columns as in facts.tsv,\n"
                "# with AWS's own pattern in place of its name.\n"
                "shape\tmember\tlocation\trequired\tmin\tmax\tpattern\tenum\n")
        f.writelines("\t".join(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
