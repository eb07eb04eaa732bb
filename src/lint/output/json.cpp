// One object a line, as in the command-line contract.

#include "fields.hpp"

namespace pgeist::lint {

namespace {

namespace json = boost::json;

json::value or_null(const std::optional<std::int64_t>& number) {
    return number ? json::value(*number) : json::value(nullptr);
}

json::object as_object(const finding& each) {
    json::object made;
    made["event"] = "finding";
    made["file"] = each.file;
    made["line"] = each.line;
    made["column"] = each.column;
    made["rule"] = each.rule;
    made["level"] = word_of(each.how_bad);
    made["message"] = each.message;
    made["statement"] = each.statement;
    made["locks"] = locks_of(each.does);
    made["rewrites"] = strings(each.does.rewrites);
    made["scans"] = strings(each.does.scans);
    made["builds"] = strings(each.does.builds);
    made["bytes"] = or_null(each.does.bytes);
    made["blocks_ms"] = or_null(each.does.blocks_ms);
    made["evidence"] = probe::word_of(each.does.source);
    made["assumptions"] = strings(each.does.assumptions);
    made["instead"] = strings(each.instead);
    made["suppressed"] = each.suppressed;
    made["reason"] = each.reason.empty() ? json::value(nullptr) : json::value(each.reason);
    made["fingerprint"] = each.fingerprint;
    return made;
}

}  // namespace

std::string as_json(const report& found, const settings&, int exit_code) {
    std::string out;
    for (const finding& each : found.findings) {
        out += json::serialize(as_object(each)) + "\n";
    }
    json::array gaps;
    for (const not_analysed& each : found.gaps) {
        json::object gap;
        gap["file"] = each.file;
        gap["line"] = each.line;
        gap["why"] = each.why;
        gaps.push_back(std::move(gap));
    }
    json::object result;
    result["event"] = "result";
    result["exit_code"] = exit_code;
    result["files"] = found.files;
    result["statements"] = found.statements;
    result["findings"] = found.findings.size();
    result["errors"] = found.count(level::error);
    result["warnings"] = found.count(level::warning);
    result["not_analysed"] = std::move(gaps);
    result["server"] = found.asked.empty() ? json::value(nullptr) : json::value(found.asked);
    result["standby"] = found.standby;
    return out + json::serialize(result) + "\n";
}

}  // namespace pgeist::lint
