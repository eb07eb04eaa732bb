#include "pgeist/steps/step.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::steps {

namespace {

constexpr std::array<std::string_view, 8> method_words{"nothing", "native",   "validate", "concurrently",
                                                       "copy",    "backfill", "reindex",  "server"};

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& each : names) {
        text += (text.empty() ? "" : ", ") + each;
    }
    return text;
}

std::string locks_in_words(const step& what) {
    std::string text;
    for (const probe::relation_lock& each : what.locks) {
        text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", probe::words_of(each.mode), each.relation);
    }
    return text.empty() ? "none" : text;
}

std::string about(std::int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); }

}  // namespace

std::string_view word_of(method how) { return method_words[static_cast<std::size_t>(how)]; }

method method_of(std::string_view word) {
    const auto found = std::find(method_words.begin(), method_words.end(), word);
    if (found == method_words.end()) {
        throw std::invalid_argument("unknown method " + std::string(word));
    }
    return static_cast<method>(found - method_words.begin());
}

namespace {

/// With words in the place of names that are not known yet.
std::string readable(std::string sql) {
    boost::replace_all(sql, made_constraint, "the_constraint_above");
    boost::replace_all(sql, made_table, "its_table");
    boost::replace_all(sql, made_index, "the_new_index");
    return sql;
}

std::string sql_of(const action& one) {
    std::string text;
    if (one.checks_anew) {
        text += "  -- the CHECKs over the column are dropped before it, and added NOT VALID behind it\n";
    }
    if (one.kind == action_kind::build_on_partitions) {  // its statements are parts of one
        return text + fmt::format("  CREATE {}INDEX CONCURRENTLY ON each_partition {};\n",
                                  one.statements.at(2) == "unique" ? "UNIQUE " : "", one.statements.front());
    }
    for (const std::string& each : one.statements) {
        text += each.empty() ? "" : "  " + readable(each) + ";\n";
    }
    return text;
}

}  // namespace

std::string sql_of(const std::vector<step>& all) {
    std::string text = "SQL\n";
    for (const step& each : all) {
        for (const action& one : each.actions) {
            text += fmt::format("  -- step {}: {}\n", each.number, one.label) + sql_of(one);
        }
    }
    return text;
}

std::string describe(const std::vector<step>& all) {
    std::string text;
    for (const step& each : all) {
        const std::string line = each.line == 0 ? "" : fmt::format(", line {}", each.line);
        text += fmt::format("  {}. {}{}: {}\n", each.number, word_of(each.how), line, each.statement);
        text += fmt::format("     because {} ({})\n", each.why, probe::word_of(each.evidence));
        if (each.how == method::nothing) {
            continue;
        }
        text += fmt::format("     locks: {}\n", locks_in_words(each));
        const std::pair<const char*, const std::vector<std::string>&> work[] = {
            {"rewrites", each.rewrites}, {"scans", each.scans}, {"builds", each.builds}};
        for (const auto& [what, names] : work) {
            if (!names.empty()) {
                text += fmt::format("     {}: {}\n", what, listed(names));
            }
        }
        if (each.blocks_ms || each.estimated_ms) {
            text += "     time: ";
            text += each.estimated_ms ? "about " + about(*each.estimated_ms) : "";
            text += each.blocks_ms ? fmt::format("{}others wait {}", each.estimated_ms ? ", " : "",
                                                 *each.blocks_ms == 0 ? "not at all" : "for " + about(*each.blocks_ms))
                                   : "";
            text += "\n";
        }
    }
    return text;
}

}  // namespace pgeist::steps
