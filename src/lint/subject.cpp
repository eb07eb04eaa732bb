#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "rule.hpp"

namespace pgeist::lint {

std::vector<probe::relation_lock> subject::blocking(const probe::effect& part) const {
    std::vector<probe::relation_lock> found;
    for (const probe::relation_lock& each : part.locks) {
        if (each.kind == probe::relation_kind::type) {
            continue;  // nobody who reads or writes a table waits for that
        }
        const bool reads = probe::blocks_reads(each.mode);
        // Nobody but a REFRESH writes a materialized view.
        const bool writes = each.kind != probe::relation_kind::materialized_view && probe::blocks_writes(each.mode);
        if (in_use(each.relation) && (reads || writes)) {
            found.push_back(each);
        }
    }
    return found;
}

bool subject::rewrites(const probe::effect& part) const {
    return std::any_of(part.rewrites.begin(), part.rewrites.end(),
                       [&](const std::string& each) { return in_use(each); });
}

bool subject::scans(const probe::effect& part) const {
    return std::any_of(part.scans.begin(), part.scans.end(), [&](const std::string& each) { return in_use(each); });
}

bool subject::builds(const probe::effect& part) const {
    // An index to be built is not known by its name yet; its table is among the locks.
    const bool table = std::any_of(part.locks.begin(), part.locks.end(), [&](const probe::relation_lock& each) {
        return in_use(each.relation) && each.mode >= probe::lock_mode::share_update_exclusive;
    });
    return !part.builds.empty() && table;
}

bool subject::works(const probe::effect& part) const { return rewrites(part) || scans(part) || builds(part); }

level subject::block_level(const probe::effect& part) const {
    if (!works(part) || blocking(does).empty()) {
        return level::info;
    }
    return !does.blocks_ms || *does.blocks_ms > options.max_block.count() ? level::error : level::info;
}

std::string subject::waiting(const probe::effect& part) const {
    std::vector<std::string> reads;
    std::vector<std::string> writes;
    for (const probe::relation_lock& each : blocking(part)) {
        (probe::blocks_reads(each.mode) ? reads : writes).push_back(each.relation);
    }
    std::string text;
    if (!reads.empty()) {
        text += fmt::format("reads and writes of {}", joined(reads));
    }
    if (!writes.empty()) {
        text += fmt::format("{}writes to {}", text.empty() ? "" : ", and ", joined(writes));
    }
    if (text.empty()) {
        return "";
    }
    const bool timed = does.blocks_ms && works(part);
    return fmt::format(
        " while {} wait{}", text,
        timed ? fmt::format(", about {}", format_duration(std::chrono::milliseconds(*does.blocks_ms))) : "");
}

const probe::effect& subject::of_clause(std::size_t at) const { return at < clauses.size() ? clauses[at] : does; }

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t at = 0; at < names.size(); ++at) {
        text += at == 0 ? "" : at + 1 == names.size() ? " and " : ", ";
        text += names[at] == "*" ? "every table concerned" : names[at];
    }
    return text;
}

namespace {

/// In single quotes for a shell, if there is anything in it that a shell would take.
std::string shell_word(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

}  // namespace

std::string pgeist_run(const subject& on, const std::string& clause) {
    const std::string table = ddl::sql_name(on.what.relation);
    const bool plain = table.find('"') == std::string::npos;
    return fmt::format("pgeist run -d DATABASE --table {} --alter {}", plain ? table : shell_word(table),
                       shell_word(normalised(clause)));
}

std::string alter_head(const subject& on) { return "ALTER TABLE " + ddl::sql_name(on.what.relation); }

std::string with_concurrently(const std::string& statement, std::string_view word) {
    for (const ddl::token& each : ddl::tokens_of(statement)) {
        if (each.is(word)) {
            return normalised(statement.substr(0, each.end) + " CONCURRENTLY" + statement.substr(each.end));
        }
    }
    return normalised(statement);
}

std::string normalised(const std::string& statement) {
    std::string text;
    std::size_t end = 0;
    ddl::lexer from(statement);
    ddl::token each;
    while (from.next(each)) {
        if (each.kind == ddl::token_kind::comment) {
            continue;
        }
        text += !text.empty() && each.begin > end ? " " : "";
        text += statement.substr(each.begin, each.end - each.begin);
        end = each.end;
    }
    return text;
}

}  // namespace pgeist::lint
