// Constraints that are added, and NOT NULL.

#include <algorithm>

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;
using ddl::constraint_kind;

/// Calls `check` for each constraint of a kind that the statement adds, by itself or behind a new column.
template <class Check>
void each_added(const subject& on, std::initializer_list<constraint_kind> kinds, Check&& check) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        const auto wanted = [&](const ddl::constraint& made) {
            return std::find(kinds.begin(), kinds.end(), made.kind) != kinds.end();
        };
        if (each.kind == clause_kind::add_constraint && each.made && wanted(*each.made)) {
            check(each, *each.made, on.of_clause(at));
        } else if (each.kind == clause_kind::add_column && each.added) {
            for (const ddl::constraint& made : each.added->constraints) {
                if (wanted(made)) {
                    check(each, made, on.of_clause(at));
                }
            }
        }
    }
}

/// Whether a tried effect bears the rules out; without a trial it does.
bool borne_out(const subject& on, bool tried_so) { return !on.tried() || tried_so; }

std::string name_of(const subject& on, const ddl::constraint& made) {
    return made.name.empty() ? ddl::made_name(on.what.relation.name, made) : made.name;
}

std::vector<std::string> in_two_steps(const subject& on, const ddl::clause& each, const ddl::constraint& made) {
    const std::string text = each.kind == clause_kind::add_constraint ? normalised(each.text) : "ADD CONSTRAINT …";
    return {fmt::format("{} {} NOT VALID;", alter_head(on), text),
            fmt::format("{} VALIDATE CONSTRAINT {}; -- in a transaction of its own", alter_head(on),
                        ddl::sql_name(name_of(on, made)))};
}

void foreign_key(const subject& on, reporter& to) {
    each_added(on, {constraint_kind::foreign_key},
               [&](const ddl::clause& each, const ddl::constraint& made, const probe::effect& does) {
                   if (!made.not_valid && !made.not_enforced && on.scans(does) && borne_out(on, on.scans(on.does))) {
                       to.add("adding-foreign-key-constraint", on.block_level(does),
                              fmt::format("the foreign key to {} is checked for every row of {}{}",
                                          on.before.name_of(made.references), on.relation(), on.waiting(does)),
                              in_two_steps(on, each, made));
                   }
               });
}

void check(const subject& on, reporter& to) {
    const auto kinds = {constraint_kind::check, constraint_kind::not_null};
    each_added(on, kinds, [&](const ddl::clause& each, const ddl::constraint& made, const probe::effect& does) {
        if (each.kind == clause_kind::add_column && made.kind == constraint_kind::not_null) {
            return;
        }
        if (!made.not_valid && !made.not_enforced && on.scans(does) && borne_out(on, on.scans(on.does))) {
            to.add("constraint-missing-not-valid", on.block_level(does),
                   fmt::format("the constraint is checked for every row of {}{}", on.relation(), on.waiting(does)),
                   in_two_steps(on, each, made));
        }
    });
}

void unique(const subject& on, reporter& to) {
    const auto kinds = {constraint_kind::unique, constraint_kind::primary_key};
    each_added(on, kinds, [&](const ddl::clause&, const ddl::constraint& made, const probe::effect& does) {
        const bool key = made.kind == constraint_kind::primary_key;
        const bool tried = borne_out(on, on.works(on.does));
        if (!made.index.empty() && key && on.scans(does) && tried) {
            to.add("disallowed-unique-constraint", on.block_level(does),
                   fmt::format("the columns of the index are not known to be NOT NULL: {} is read to prove it{}",
                               on.relation(), on.waiting(does)),
                   {"make the columns NOT NULL first (see adding-not-nullable-field)"});
        }
        if (!made.index.empty() || !on.builds(does) || !tried) {
            return;
        }
        const std::string name = name_of(on, made);
        std::vector<std::string> columns;
        for (const std::string& each : made.columns) {
            columns.push_back(ddl::sql_name(each));
        }
        const std::string table = alter_head(on).substr(std::string_view("ALTER TABLE ").size());
        to.add(
            "disallowed-unique-constraint", on.block_level(does),
            fmt::format("the index of the {} is built{}", key ? "primary key" : "unique constraint", on.waiting(does)),
            {fmt::format("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({});", ddl::sql_name(name), table,
                         fmt::join(columns, ", ")),
             fmt::format("{} ADD CONSTRAINT {} {} USING INDEX {};", alter_head(on), ddl::sql_name(name),
                         key ? "PRIMARY KEY" : "UNIQUE", ddl::sql_name(name))});
    });
}

void exclusion(const subject& on, reporter& to) {
    each_added(on, {constraint_kind::exclusion},
               [&](const ddl::clause& each, const ddl::constraint&, const probe::effect& does) {
                   if (on.builds(does)) {
                       to.add("adding-exclusion-constraint", on.block_level(does),
                              fmt::format("the index of the exclusion constraint is built{}", on.waiting(does)),
                              {pgeist_run(on, each.text)});
                   }
               });
}

std::vector<std::string> not_null_recipe(const subject& on, const std::string& column) {
    const std::string name = ddl::sql_name(ddl::made_name(on.what.relation.name, {column}, "not_null"));
    const std::string head = alter_head(on);
    const std::string quoted = ddl::sql_name(column);
    if (on.options.server.major >= 18) {
        return {fmt::format("{} ADD CONSTRAINT {} NOT NULL {} NOT VALID;", head, name, quoted),
                fmt::format("{} VALIDATE CONSTRAINT {}; -- in a transaction of its own", head, name)};
    }
    return {fmt::format("{} ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID;", head, name, quoted),
            fmt::format("{} VALIDATE CONSTRAINT {}; -- in a transaction of its own", head, name),
            fmt::format("{} ALTER COLUMN {} SET NOT NULL;", head, quoted),
            fmt::format("{} DROP CONSTRAINT {}; -- not in the same ALTER TABLE: DROP would run first", head, name)};
}

/// A constraint that would prove it, were it valid, or not dropped by this very statement.
std::string spoiled_proof(const subject& on, const std::string& column) {
    const probe::known_relation* known = on.before.find(on.relation());
    if (known == nullptr) {
        return "";
    }
    for (const probe::known_constraint& each : known->constraints) {
        const auto& proofs = each.what.value ? each.what.value->proven_not_null : std::vector<std::string>();
        const bool own =
            each.what.kind == constraint_kind::not_null && each.what.columns == std::vector<std::string>{column};
        if (std::find(proofs.begin(), proofs.end(), column) == proofs.end() && !own) {
            continue;
        }
        if (!each.valid && own) {
            return fmt::format(
                "the NOT VALID constraint {} is validated by it under the strong lock; VALIDATE CONSTRAINT does it "
                "without",
                each.what.name);
        }
        return each.valid ? fmt::format("constraint {} would prove it, but is dropped first by the same statement",
                                        each.what.name)
                          : fmt::format("constraint {} does not prove it before it is validated", each.what.name);
    }
    return "";
}

void set_not_null(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        if (each.kind != clause_kind::set_not_null || !on.scans(on.of_clause(at)) ||
            !borne_out(on, on.scans(on.does))) {
            continue;
        }
        const std::string spoiled = spoiled_proof(on, each.name);
        const std::string what = fmt::format("SET NOT NULL on {} reads all of {}{}", ddl::sql_name(each.name),
                                             joined(on.of_clause(at).scans), on.waiting(on.of_clause(at)));
        if (spoiled.empty()) {
            to.add("adding-not-nullable-field", on.block_level(on.of_clause(at)), what, not_null_recipe(on, each.name));
        } else {
            to.add("not-null-proof", on.block_level(on.of_clause(at)), fmt::format("{}: {}", what, spoiled),
                   not_null_recipe(on, each.name));
        }
    }
}

void domain(const subject& on, reporter& to) {
    if (on.what.kind == ddl::statement_kind::alter_domain && on.scans(on.does)) {
        to.add("ban-alter-domain-with-add-constraint", on.block_level(on.does),
               fmt::format("every table with a column of domain {} is read under SHARE while writes to it wait",
                           on.relation()),
               {"ALTER DOMAIN … ADD CONSTRAINT … CHECK (…) NOT VALID; -- locks no table, holds for new values",
                "a CHECK on each table instead: NOT VALID, then VALIDATE"});
    }
}

void enforced(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        if (each.kind == clause_kind::alter_constraint && each.word == "ENFORCED" && on.scans(on.of_clause(at))) {
            to.add("enforcing-constraint-again", on.block_level(on.of_clause(at)),
                   fmt::format("ENFORCED checks every row of {} under the strong lock{}", on.relation(),
                               on.waiting(on.of_clause(at))),
                   {"drop the constraint, add it again NOT VALID, then VALIDATE it in a transaction of its own"});
        }
    }
}

}  // namespace

const std::vector<rule>& constraint_rules() {
    static const std::vector<rule> rules{
        {{"adding-foreign-key-constraint", level::error, "A foreign key is checked for all rows while writes wait.",
          "ADD FOREIGN KEY takes SHARE ROW EXCLUSIVE on both tables and then reads the whole referencing one: nobody "
          "writes to either of "
          "them until it is done.",
          "ADD … NOT VALID, commit, then VALIDATE CONSTRAINT, which lets everybody write. On a partitioned table "
          "before 18: partition by "
          "partition, then the parent."},
         foreign_key},
        {{"constraint-missing-not-valid", level::error,
          "A CHECK or NOT NULL constraint is checked for all rows under ACCESS EXCLUSIVE.",
          "ADD CONSTRAINT … CHECK reads the whole table while nobody reads or writes it. So does a CHECK behind ADD "
          "COLUMN, even with a "
          "constant default.",
          "ADD … NOT VALID, commit, then VALIDATE CONSTRAINT (SHARE UPDATE EXCLUSIVE). In one transaction it does not "
          "help: the strong "
          "lock is kept to its end."},
         check},
        {{"disallowed-unique-constraint", level::error,
          "A unique constraint or primary key builds its index under ACCESS EXCLUSIVE.",
          "ADD UNIQUE and ADD PRIMARY KEY build an index while nobody reads or writes the table. A primary key over "
          "columns that may be "
          "NULL reads the table once more.",
          "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX."},
         unique},
        {{"adding-exclusion-constraint", level::error,
          "An exclusion constraint builds its index under ACCESS EXCLUSIVE.",
          "There is no CONCURRENTLY and no USING INDEX for EXCLUDE.", "`pgeist run` adds it with a copy."},
         exclusion},
        {{"adding-not-nullable-field", level::error, "SET NOT NULL reads the whole table under ACCESS EXCLUSIVE.",
          "It is free only where a valid CHECK (column IS NOT NULL) proves it (PostgreSQL 12 and later).",
          "14 to 17: CHECK NOT VALID, VALIDATE in another transaction, SET NOT NULL, then DROP the CHECK as a "
          "statement of its own. 18: "
          "ADD CONSTRAINT … NOT NULL column NOT VALID, then VALIDATE."},
         set_not_null},
        {{"not-null-proof", level::error, "The CHECK that should make SET NOT NULL free does not prove it.",
          "A constraint that is NOT VALID proves nothing. One that the same ALTER TABLE drops is gone before NOT NULL "
          "is looked at: "
          "PostgreSQL runs DROP first, whatever the order in the text. On 18 an own NOT VALID not-null constraint is "
          "validated under "
          "ACCESS EXCLUSIVE by SET NOT NULL.",
          "VALIDATE first, in a transaction of its own; drop the CHECK in a statement after SET NOT NULL."},
         nullptr},
        {{"ban-alter-domain-with-add-constraint", level::error,
          "A domain's constraint is checked in every table that uses it.",
          "ALTER DOMAIN … ADD CONSTRAINT, SET NOT NULL and VALIDATE CONSTRAINT take SHARE on every table with a column "
          "of the domain and "
          "read them all. There is no version without that.",
          "NOT VALID checks new values only and locks no table. Or move the rule to CHECKs of the tables."},
         domain},
        {{"enforcing-constraint-again", level::error,
          "ALTER CONSTRAINT … ENFORCED checks all rows under a strong lock.",
          "A constraint that was NOT ENFORCED (18) is checked for the whole table before it is enforced again.",
          "Drop it and add it NOT VALID, then VALIDATE."},
         enforced},
    };
    return rules;
}

}  // namespace pgeist::lint
