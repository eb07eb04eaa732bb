// GitLab's Code Quality report.

#include "fields.hpp"

namespace pgeist::lint {

std::string as_gitlab(const report& found) {
    namespace json = boost::json;
    json::array issues;
    for (const finding& each : found.findings) {
        if (each.suppressed) {
            continue;
        }
        json::object lines;
        lines["begin"] = each.line;
        json::object location;
        location["path"] = each.file.starts_with("./") ? each.file.substr(2) : each.file;
        location["lines"] = std::move(lines);
        json::object issue;
        issue["description"] = each.message;
        issue["check_name"] = each.rule;
        issue["fingerprint"] = each.fingerprint;
        issue["severity"] = each.how_bad == level::error ? "major" : each.how_bad == level::warning ? "minor" : "info";
        issue["location"] = std::move(location);
        issues.push_back(std::move(issue));
    }
    return json::serialize(issues) + "\n";
}

}  // namespace pgeist::lint
