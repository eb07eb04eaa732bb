// Changes of a column's type.

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;

template <class Check>
void each_change(const subject& on, Check&& check) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        if (on.what.clauses[at].kind == clause_kind::alter_type && on.what.clauses[at].added) {
            check(on.what.clauses[at], on.of_clause(at));
        }
    }
}

/// The rewrite as it was tried, where it was; what the rules think of the clause else.
bool is_rewritten(const subject& on, const probe::effect& of_clause) {
    return !on.tried() ? on.rewrites(of_clause) : on.rewrites(on.does);
}

void changed(const subject& on, reporter& to) {
    each_change(on, [&](const ddl::clause& each, const probe::effect& by_rules) {
        if (!is_rewritten(on, by_rules)) {
            return;
        }
        const probe::effect& does = on.rewrites(by_rules) ? by_rules : on.does;
        const bool known = by_rules.assumptions.empty() || on.tried();
        to.add("changing-column-type", on.block_level(does),
               fmt::format(
                   "changing the type of {} to {} {} {} anew, with all indexes{}{}", ddl::sql_name(each.name),
                   each.added->type.display(), known ? "writes" : "may write", joined(does.rewrites), on.waiting(does),
                   known ? "" : " (the type that it has now is not known; a wider varchar or numeric costs nothing)"),
               {pgeist_run(on, each.text)});
    });
}

void hidden(const subject& on, reporter& to) {
    each_change(on, [&](const ddl::clause& each, const probe::effect& by_rules) {
        const bool tried = on.tried();
        const probe::effect& does = tried ? on.does : by_rules;
        if (is_rewritten(on, by_rules) || !on.works(does)) {
            return;
        }
        std::vector<std::string> named;
        for (const probe::dependent& dependent : does.dependents) {
            named.push_back(dependent.kind + " " + dependent.name);
        }
        std::string work = does.scans.empty() ? "" : fmt::format("{} is read to check it again", joined(does.scans));
        work += does.builds.empty() ? ""
                                    : fmt::format("{}{} {} built again", work.empty() ? "" : " and ",
                                                  joined(does.builds), does.builds.size() > 1 ? "are" : "is");
        to.add("type-change-hidden-work", on.block_level(does),
               fmt::format("the rows stay as they are when {} becomes {}, but {}{}{}", ddl::sql_name(each.name),
                           each.added->type.display(), work, on.waiting(does),
                           named.empty() ? "" : fmt::format(" (because of {})", joined(named))),
               {"drop the CHECK, change the type, add the CHECK again NOT VALID, then VALIDATE it in a transaction of "
                "its own",
                pgeist_run(on, each.text), fmt::format("ANALYZE {};", on.relation())});
    });
}

void expression(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        if (each.kind == clause_kind::set_expression && on.rewrites(on.of_clause(at)) && on.rewrites(on.does)) {
            to.add(
                "changing-generation-expression", on.block_level(on.of_clause(at)),
                fmt::format("a new expression of the stored column {} is computed for all rows: {} is written anew{}",
                            ddl::sql_name(each.name), joined(on.does.rewrites), on.waiting(on.does)),
                {pgeist_run(on, each.text)});
        }
    }
}

}  // namespace

const std::vector<rule>& type_rules() {
    static const std::vector<rule> rules{
        {{"changing-column-type", level::error, "A column's new type has every row written anew.",
          "ALTER COLUMN … TYPE rewrites the table and builds all its indexes anew under ACCESS EXCLUSIVE, unless the "
          "old values are valid "
          "values of the new type as they are: varchar(n) to a longer varchar or to text, numeric(p,s) to a larger p, "
          "a longer varbit, a "
          "finer time or timestamp, a domain to its base type. int to bigint is not among them. timestamp to "
          "timestamptz is, but only in "
          "a session whose time zone is UTC. Without a connection the present type is known only where the files make "
          "the column.",
          "`pgeist run` changes it with a copy that nobody waits for. By hand: a new column, a trigger, batches, and a "
          "swap of names."},
         changed},
        {{"type-change-hidden-work", level::error,
          "A type change that leaves the rows alone still checks or builds something anew.",
          "Even where no row changes, every CHECK on the column is checked again by reading the table, partial and "
          "expression indexes are "
          "built again, likewise those whose operator class or collation is another one, and the column's statistics "
          "are dropped. All of "
          "it under ACCESS EXCLUSIVE.",
          "Drop the CHECK first and add it again with NOT VALID and VALIDATE; or `pgeist run`. ANALYZE afterwards."},
         hidden},
        {{"changing-generation-expression", level::error, "A stored generated column gets another expression.",
          "ALTER COLUMN … SET EXPRESSION (PostgreSQL 17) computes a stored column for every row under ACCESS "
          "EXCLUSIVE. For a virtual one "
          "(18) only the catalogs change.",
          "`pgeist run`."},
         expression},
    };
    return rules;
}

}  // namespace pgeist::lint
