// SARIF 2.1.0, for code scanning.

#include <fmt/format.h>

#include "fields.hpp"

namespace pgeist::lint {

namespace {

namespace json = boost::json;

const char* level_of(level how_bad) {
    return how_bad == level::error ? "error" : how_bad == level::warning ? "warning" : "note";
}

json::object text(std::string_view words) {
    json::object made;
    made["text"] = words;
    return made;
}

json::object describe(const rule_text& rule) {
    json::object made;
    made["id"] = rule.name;
    made["shortDescription"] = text(rule.summary);
    made["fullDescription"] = text(rule.facts);
    made["help"] = text(fmt::format("{}\n\nInstead: {}", rule.facts, rule.recipe));
    json::object configuration;
    configuration["level"] = level_of(rule.usual);
    made["defaultConfiguration"] = std::move(configuration);
    return made;
}

/// A path as a relative URI.
std::string uri(const std::string& path) {
    std::string out;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~/").find(c) != std::string_view::npos;
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
    }
    return out.starts_with("./") ? out.substr(2) : out;
}

json::object result_of(const finding& each, std::size_t rule_index) {
    json::object region;
    region["startLine"] = each.line;
    region["startColumn"] = each.column;
    if (each.end_line > each.line) {
        region["endLine"] = each.end_line;
    }
    json::object artifact;
    artifact["uri"] = uri(each.file);
    json::object physical;
    physical["artifactLocation"] = std::move(artifact);
    physical["region"] = std::move(region);
    json::object location;
    location["physicalLocation"] = std::move(physical);

    std::string message = each.message;
    for (std::size_t at = 0; at < each.instead.size(); ++at) {
        message += (at == 0 ? "\nInstead: " : "\n") + each.instead[at];
    }
    json::object made;
    made["ruleId"] = each.rule;
    made["ruleIndex"] = rule_index;
    made["level"] = level_of(each.how_bad);
    made["message"] = text(message);
    made["locations"] = json::array{std::move(location)};
    json::object prints;
    prints["pgeistStatement/v1"] = each.fingerprint;
    made["partialFingerprints"] = std::move(prints);
    if (each.suppressed) {
        json::object suppression;
        suppression["kind"] = "inSource";
        if (!each.reason.empty()) {
            suppression["justification"] = each.reason;
        }
        made["suppressions"] = json::array{std::move(suppression)};
    } else {
        made["suppressions"] = json::array();
    }
    return made;
}

json::object invocation(const report& found) {
    json::object made;
    made["executionSuccessful"] = !found.unreadable;
    json::array notes;
    for (const not_analysed& each : found.gaps) {
        json::object note;
        note["level"] = "warning";
        note["message"] = text(fmt::format("{}:{}: not analysed: {}", each.file, each.line, each.why));
        notes.push_back(std::move(note));
    }
    made["toolExecutionNotifications"] = std::move(notes);
    return made;
}

}  // namespace

std::string as_sarif(const report& found, const settings&, std::string_view version) {
    json::array rules;
    for (const rule_text& each : rule_texts()) {
        rules.push_back(describe(each));
    }
    json::array results;
    for (const finding& each : found.findings) {
        const rule_text* rule = find_rule(each.rule);
        results.push_back(result_of(each, rule == nullptr ? 0 : static_cast<std::size_t>(rule - rule_texts().data())));
    }
    json::object driver;
    driver["name"] = "pgeist lint";
    driver["version"] = version;
    driver["rules"] = std::move(rules);
    json::object tool;
    tool["driver"] = std::move(driver);
    json::object run;
    run["tool"] = std::move(tool);
    run["columnKind"] = "unicodeCodePoints";
    run["invocations"] = json::array{invocation(found)};
    run["results"] = std::move(results);
    json::object log;
    log["$schema"] = "https://json.schemastore.org/sarif-2.1.0.json";
    log["version"] = "2.1.0";
    log["runs"] = json::array{std::move(run)};
    return json::serialize(log) + "\n";
}

}  // namespace pgeist::lint
