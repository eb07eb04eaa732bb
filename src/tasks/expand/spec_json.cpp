#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/pg/session_profile_json.hpp"
#include "pgeist/tasks/expand/spec.hpp"

// What is stored of an expansion's request and plan.
namespace pgeist {

BOOST_DESCRIBE_STRUCT(qualified_name, (), (schema, name))

namespace pg {

BOOST_DESCRIBE_STRUCT(statement, (), (label, sql))

}  // namespace pg

namespace expand {

namespace {

/// Two texts that belong together, as they are stored.
struct pair_of_texts {
    std::string name;
    std::string value;
};
BOOST_DESCRIBE_STRUCT(pair_of_texts, (), (name, value))

template <class Pairs>
boost::json::value write_pairs(const Pairs& pairs) {
    std::vector<pair_of_texts> all;
    for (const auto& [name, value] : pairs) {
        all.push_back({name, value});
    }
    return described_json::write(all);
}

std::string listed(const std::string& word, const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& each : texts) {
        out += fmt::format("; {} {}", word, each);
    }
    return out;
}

}  // namespace

BOOST_DESCRIBE_ENUM(policy, new_wins, old_wins, error)
BOOST_DESCRIBE_STRUCT(request, (), (table, adds, ups, downs, renames, conflict, key_index))
BOOST_DESCRIBE_STRUCT(column, (), (name, type, default_value, default_differs))
BOOST_DESCRIBE_STRUCT(assignment, (), (column, expression, as_given))
BOOST_DESCRIBE_STRUCT(group, (), (olds, news, ups, downs))
BOOST_DESCRIBE_STRUCT(added_column, (), (name, definition, default_value, default_later, not_null, details))
BOOST_DESCRIBE_STRUCT(twin_index, (), (of, old_name, name, create_sql, unique, constraint, partitioned, deferrable))
BOOST_DESCRIBE_STRUCT(twin_constraint, (), (of, old_name, name, definition, stays_not_valid))
BOOST_DESCRIBE_STRUCT(twin_statistics, (), (of, old_name, name, definition))

[[maybe_unused]] bool json_may_lack(const twin_index&, std::string_view member) {
    return member == "of" || member == "deferrable";
}
[[maybe_unused]] bool json_may_lack(const twin_constraint&, std::string_view member) {
    return member == "of" || member == "stays_not_valid";
}
[[maybe_unused]] bool json_may_lack(const spec&, std::string_view member) {
    return member == "statistics" || member == "idle";
}
BOOST_DESCRIBE_STRUCT(spec, (),
                      (version, table, source_oid, partitioned, job_schema, trigger, conflict, bound, added, groups,
                       replaced, indexes, constraints, statistics, idle, key_index, fill, filled, trial, contracted))

std::string request::describe() const {
    return fmt::format("{}: EXPAND{}{}{}{}", table.display(), listed("RENAME", renames), listed("ADD", adds),
                       listed("UP", ups), listed("DOWN", downs));
}

policy policy_named(const std::string& text) {
    if (text == "new") {
        return policy::new_wins;
    }
    if (text == "old") {
        return policy::old_wins;
    }
    if (text == "error") {
        return policy::error;
    }
    throw usage_error(fmt::format("\"{}\" is not known", text), "use new, old or error");
}

std::string to_json(const request& value) { return described_json::to_text(value); }

request request_from_json(const std::string& text) { return described_json::from_text<request>(text); }

std::string to_json(const spec& value) {
    boost::json::value stored = described_json::write(value);
    stored.as_object()["profile"] = pg::to_json(value.profile);
    stored.as_object()["renamed"] = write_pairs(value.renamed);
    return boost::json::serialize(stored);
}

spec spec_from_json(const std::string& text) {
    spec value;
    try {
        const boost::json::value stored = json_from(text);
        described_json::read(stored, value);
        value.profile = pg::session_profile_from_json(stored.at("profile"));
        std::vector<pair_of_texts> pairs;
        described_json::read(stored.at("renamed"), pairs);
        for (const pair_of_texts& each : pairs) {
            value.renamed.emplace_back(each.name, each.value);
        }
    } catch (const std::exception& problem) {
        throw pgeist::error(exit_code::refused, fmt::format("the job's plan cannot be read: {}", problem.what()),
                            "use the version of pgeist that started the job");
    }
    if (value.version != spec::current_version) {
        throw pgeist::error(exit_code::refused, fmt::format("the job's plan is of version {}", value.version),
                            "use the version of pgeist that started the job");
    }
    return value;
}

}  // namespace expand

}  // namespace pgeist
