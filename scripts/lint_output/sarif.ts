// Compiles only if what `pgeist lint --output sarif` writes is of the type that @types/sarif gives to a log.
import type { Log } from "sarif";

import log from "./log.json";

type Literal<T> = T; // JSON modules widen every string: the words that SARIF fixes are checked below
const checked: Literal<Log["version"]> = log.version as Log["version"];

export const asLog: Log = {
    ...log,
    version: checked,
    runs: log.runs.map((run) => ({
        ...run,
        columnKind: oneOf(run.columnKind, ["utf16CodeUnits", "unicodeCodePoints"] as const),
        invocations: run.invocations.map((each) => ({
            ...each,
            toolExecutionNotifications: each.toolExecutionNotifications.map((note) => ({
                ...(note as { level: string; message: { text: string } }),
                level: oneOf((note as { level: string }).level, ["none", "note", "warning", "error"] as const),
            })),
        })),
        tool: {
            driver: {
                ...run.tool.driver,
                rules: run.tool.driver.rules.map((rule) => ({
                    ...rule,
                    defaultConfiguration: {
                        level: oneOf(rule.defaultConfiguration.level, ["none", "note", "warning", "error"] as const),
                    },
                })),
            },
        },
        results: run.results.map((result) => ({
            ...result,
            level: oneOf(result.level, ["none", "note", "warning", "error"] as const),
            suppressions: (result.suppressions as { kind: string; justification?: string }[]).map((each) => ({
                ...each,
                kind: oneOf(each.kind, ["inSource", "external"] as const),
            })),
        })),
    })),
};

function oneOf<const T extends string>(word: string, allowed: readonly T[]): T {
    const found = allowed.find((each) => each === word);
    if (found === undefined) {
        throw new Error(`"${word}" is none of ${allowed.join(", ")}`);
    }
    return found;
}

if (log.version !== "2.1.0") {
    throw new Error(`version ${log.version}`);
}
const rules = asLog.runs[0].tool.driver.rules ?? [];
for (const result of asLog.runs[0].results ?? []) {
    const rule = rules[result.ruleIndex ?? -1];
    if (rule === undefined || rule.id !== result.ruleId) {
        throw new Error(`ruleIndex of ${result.ruleId}`);
    }
    const region = result.locations?.[0]?.physicalLocation?.region;
    if (!region || !region.startLine || region.startLine < 1 || (region.startColumn ?? 1) < 1) {
        throw new Error(`region of ${result.ruleId}`);
    }
    if (Object.keys(result.partialFingerprints ?? {}).length === 0) {
        throw new Error(`fingerprint of ${result.ruleId}`);
    }
}
console.log(`${asLog.runs[0].results?.length} results are as @types/sarif says`);
