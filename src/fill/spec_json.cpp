#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/fill/spec.hpp"
#include "pgeist/pg/session_profile_json.hpp"

// What is stored of a fill's request and plan.
namespace pgeist {

BOOST_DESCRIBE_STRUCT(qualified_name, (), (schema, name))

namespace pg {

BOOST_DESCRIBE_STRUCT(statement, (), (label, sql))

}  // namespace pg

namespace walk {

BOOST_DESCRIBE_STRUCT(key_column, (),
                      (read_name, write_name, type, collation, less, less_equal, equal, greater_equal, greater,
                       descending))
BOOST_DESCRIBE_STRUCT(key, (), (index, columns, carried, hashable))

}  // namespace walk

namespace fill {

namespace {

/// Layout does not make two changes of one.
std::string on_one_line(const std::string& text) {
    std::string line;
    char quote = 0;
    for (const char c : text) {
        const bool blank = quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
        if (quote == 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote) {
            quote = 0;
        }
        if (!blank) {
            line += c;
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
    }
    return line;
}

}  // namespace

BOOST_DESCRIBE_STRUCT(request, (), (table, sets, where, remove, key_index))
BOOST_DESCRIBE_STRUCT(assignment, (), (column, type, expression, as_given, guard))
BOOST_DESCRIBE_STRUCT(spec, (),
                      (version, table, source_oid, partitioned, job_schema, leftovers, key, sets, condition,
                       keys_change, last_key, estimated_rows, table_bytes, index_bytes, search_path))

bool json_may_lack(const spec&, std::string_view member) { return member == "search_path"; }

std::string request::statement() const {
    std::string text =
        remove ? fmt::format("DELETE FROM {}", table.display()) : fmt::format("UPDATE {} SET ", table.display());
    for (std::size_t at = 0; at < sets.size(); ++at) {
        text += (at == 0 ? "" : ", ") + on_one_line(sets[at]);
    }
    if (where) {
        text += " WHERE " + on_one_line(*where);
    }
    return text;
}

std::string request::describe() const { return fmt::format("{}: BACKFILL {}", table.display(), statement()); }

std::string to_json(const request& value) { return described_json::to_text(value); }

request request_from_json(const std::string& text) { return described_json::from_text<request>(text); }

std::string to_json(const spec& value) {
    boost::json::value stored = described_json::write(value);
    stored.as_object()["profile"] = pg::to_json(value.profile);
    return boost::json::serialize(stored);
}

spec spec_from_json(const std::string& text) {
    spec value;
    try {
        const boost::json::value stored = json_from(text);
        described_json::read(stored, value);
        value.profile = pg::session_profile_from_json(stored.at("profile"));
    } catch (const std::exception& problem) {
        throw error(exit_code::refused, fmt::format("the job's plan cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job");
    }
    if (value.version != spec::current_version) {
        throw error(exit_code::refused, fmt::format("the job's plan is of version {}", value.version),
                    "use the version of pgeist that started the job");
    }
    return value;
}

}  // namespace fill

}  // namespace pgeist
