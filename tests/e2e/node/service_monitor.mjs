// Reads ServiceMonitors as a JSON list, and writes what the Prometheus operator's schema refuses in them.
import { readFileSync } from "node:fs";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const refusal = (document) => {
    try {
        new ServiceMonitor(document).validate();
        return [];
    } catch (error) {
        return [`ServiceMonitor/${document.metadata.name}: ${error.message}`];
    }
};

const documents = JSON.parse(readFileSync(0, "utf8"));
const [first] = documents;
if (first !== undefined && refusal({ ...first, spec: { ...first.spec, endpoints: [{ interval: "often" }] } }).length === 0) {
    throw new Error("the schema refuses nothing");
}
process.stdout.write(JSON.stringify(documents.flatMap(refusal)));
