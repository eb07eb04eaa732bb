#include "pgeist/tasks/way_back/facts.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/way_back/asked.hpp"

namespace pgeist::way_back {

namespace json = boost::json;

facts facts_from(const std::optional<std::string>& stored) {
    facts known;
    json::error_code problem;
    const json::value parsed = stored ? json_from(*stored, problem) : json::value();
    if (problem || !parsed.is_object()) {
        return known;
    }
    const json::object& object = parsed.as_object();
    if (const auto* why = object.if_contains("why_not"); why != nullptr && why->is_string()) {
        known.why_not = std::string(why->as_string());
    }
    if (const auto* names = object.if_contains("lose"); names != nullptr && names->is_array()) {
        for (const json::value& each : names->as_array()) {
            if (each.is_string()) {
                known.lose.emplace_back(each.as_string());
            }
        }
    }
    if (const auto* before = object.if_contains("settings_before"); before != nullptr && before->is_object()) {
        known.settings_before = json::serialize(*before);
    }
    const auto* check = object.if_contains("check");
    known.only_check = check != nullptr && check->is_bool() && check->as_bool();
    return known;
}

std::string members_of(const replay::unfit_look& found, const std::string& at) {
    json::array keys;
    for (const replay::unfit_row& each : found.first) {
        keys.push_back(json::string(each.key));
    }
    json::object members;
    members["unfit"] = found.rows;
    members["unfit_keys"] = std::move(keys);
    members["unfit_at"] = at;
    return json::serialize(members);
}

std::string closed_because(const std::string& why) {
    json::object members;
    members["why_not"] = why;
    return json::serialize(members);
}

std::string closed_by_cleanup() { return closed_because("pgeist cleanup was begun"); }

std::string members_of_request(const std::vector<std::string>& lose, bool only_check, const run::settings& before) {
    json::array names;
    for (const std::string& each : lose) {
        names.push_back(json::string(each));
    }
    json::object members;
    members["lose"] = std::move(names);
    members["check"] = only_check;
    members["settings_before"] = json_from(run::to_json(before));
    return json::serialize(members);
}

awaitable<void> restore_settings(pg::connection& session, job::tenure mine, job::record& job) {
    const facts known = facts_from(job.revert);
    if (!known.settings_before) {
        co_return;
    }
    job.settings = run::settings_from_json(*known.settings_before);
    co_await job::save_settings(session, mine, job.settings);
    co_await job::save_revert(session, mine, R"({"settings_before": null})");
}

std::string describe(const replay::unfit_look& found) {
    std::string text;
    for (const replay::unfit_row& each : found.first) {
        text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", each.key, each.reason);
    }
    if (found.rows > static_cast<std::int64_t>(found.first.size())) {
        text += fmt::format("; {} rows in all", format_count(found.rows));
    }
    return text;
}

}  // namespace pgeist::way_back
