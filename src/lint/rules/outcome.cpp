// Whether it works at all, and what else it reaches.

#include <algorithm>

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::lint {

namespace {

void failing(const subject& on, reporter& to) {
    if (!on.does.fails || on.does.needless) {
        return;
    }
    const bool told = on.does.fails->sqlstate == "23502";  // adding-required-field
    if (!told) {
        std::vector<std::string> instead;
        if (!on.does.fails->detail.empty()) {
            instead.push_back(on.does.fails->detail);
        }
        to.add("will-fail", level::error,
               on.does.fails->sqlstate.empty()
                   ? fmt::format("this fails: {}", on.does.fails->message)
                   : fmt::format("this fails: {} ({})", on.does.fails->message, on.does.fails->sqlstate),
               std::move(instead));
    }
}

void needless(const subject& on, reporter& to) {
    if (on.does.needless) {
        to.add("needless-change", level::info, "what this asks for is there already");
    }
}

/// The relations that the statement names, and what belongs to them.
bool is_named(const subject& on, const std::string& relation) {
    std::vector<std::string> named{on.relation()};
    for (const qualified_name& each : on.what.relations) {
        named.push_back(on.before.name_of(each));
    }
    for (const ddl::clause& each : on.what.clauses) {
        named.push_back(on.before.name_of(each.partner));
    }
    for (const std::string& name : std::vector<std::string>(named)) {
        const probe::known_relation* known = on.before.find(name);
        if (known != nullptr) {
            named.insert(named.end(), known->partitions.begin(), known->partitions.end());
        }
        const probe::known_index* index = on.before.find_index(relation);
        if (index != nullptr && index->table == name) {
            return true;
        }
    }
    return std::find(named.begin(), named.end(), relation) != named.end();
}

void others(const subject& on, reporter& to) {
    if (on.what.kind == ddl::statement_kind::perform || on.what.kind == ddl::statement_kind::create_schema) {
        return;
    }
    std::vector<std::string> locked;
    for (const probe::relation_lock& each : on.blocking(on.does)) {
        if (!is_named(on, each.relation) && each.relation != "*") {
            locked.push_back(fmt::format("{} in {}", each.relation, probe::words_of(each.mode)));
        }
    }
    if (!locked.empty()) {
        to.add("other-table-locked", level::info, fmt::format("it also locks {}", joined(locked)));
    }
}

void with_pgeist(const subject& on, reporter& to) {
    using ddl::clause_kind;
    if (on.what.kind != ddl::statement_kind::alter_table || on.what.object != ddl::object_kind::table ||
        on.block_level(on.does) != level::error) {
        return;
    }
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        const bool excluded = each.made && each.made->kind == ddl::constraint_kind::exclusion;
        const bool logs = each.kind == clause_kind::set_logged || each.kind == clause_kind::set_unlogged;
        if ((on.rewrites(on.of_clause(at)) || excluded) && !logs) {
            lines.push_back(pgeist_run(on, each.text));
        }
    }
    if (!lines.empty()) {
        constexpr double copy_takes = 1.6;  // times the blocking rewrite, measured; see bench/README.md
        const std::string time =
            on.does.work_ms
                ? fmt::format(", in about {}", format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(
                                                   copy_takes * static_cast<double>(*on.does.work_ms)))))
                : "";
        to.add("use-pgeist", level::info, "plain SQL has no form of this that lets everybody go on; a copy does" + time,
               std::move(lines));
    }
}

}  // namespace

const std::vector<rule>& outcome_rules() {
    static const std::vector<rule> rules{
        {{"will-fail", level::error, "The statement fails.",
          "By what is known of the objects from the statements before it: a foreign key in the way of a DROP, a syntax "
          "that this version "
          "does not have, an index that cannot be that of a constraint. What depends on the rows cannot be told.",
          "As the message says."},
         failing},
        {{"needless-change", level::info, "What the statement asks for is there already.",
          "Known only of what the files themselves have made or dropped.", "Leave it out."},
         needless},
        {{"other-table-locked", level::info, "The statement locks a table that it does not name, or names in passing.",
          "A foreign key locks the table that it refers to, when it is made and when it is dropped, with its table or "
          "column, too. "
          "Partitions lock their parent and the DEFAULT partition.",
          "Think of who uses that other table; a short lock_timeout, and several tries."},
         others},
        {{"use-pgeist", level::info, "There is no safe way in plain SQL; pgeist has one.",
          "Changes that write every row anew, and exclusion constraints, are done with a copy that nobody waits for.",
          "`pgeist plan` with the same options shows what would be done."},
         with_pgeist},
    };
    return rules;
}

const std::vector<rule>& engine_rules() {
    static const std::vector<rule> rules{
        {{"takes-lock", level::info,
          "The statement takes a lock stronger than ACCESS SHARE, and nothing is wrong with that.",
          "So that every lock is told.", "Nothing."},
         nullptr},
        {{"syntax-error", level::error, "The parser rejects the statement.",
          "pgeist has the grammar of PostgreSQL 15, and knows what is newer as far as locks are concerned. With "
          "--server 16 or later this "
          "is a warning, because the statement may be right. Exit code 2.",
          "Look at the place that the message names; psql's variables and a tool's placeholders must be filled in "
          "first."},
         nullptr},
        {{"not-analysed", level::warning, "Nobody can say what the statement does.",
          "Code that puts statements together while it runs, procedures, extensions' scripts, psql's \\i.",
          "Look at it yourself, and ignore the finding with a reason."},
         nullptr},
        {{"unreadable-file", level::error, "A file cannot be read.",
          "Exit code 2; the other files are looked at all the same.", "As the message says."},
         nullptr},
        {{"unknown-ignore", level::warning, "An ignore comment names a rule that does not exist.",
          "It ignores nothing.", "`pgeist lint --rules` lists the rules."},
         nullptr},
        {{"unused-ignore", level::warning, "An ignore comment matches no finding.",
          "It would hide a danger that comes later.", "Take it out."},
         nullptr},
    };
    return rules;
}

}  // namespace pgeist::lint
