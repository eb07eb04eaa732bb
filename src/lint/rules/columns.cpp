// Columns that are added, and what each row has to be given for them.

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;
using ddl::constraint_kind;

/// Calls `check` for each ADD COLUMN of the statement whose rows are written anew.
template <class Check>
void each_rewriting(const subject& on, Check&& check) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        if (each.kind == clause_kind::add_column && each.added && on.rewrites(on.of_clause(at)) &&
            on.rewrites(on.does)) {
            check(each, on.of_clause(at));
        }
    }
}

bool is_serial(const ddl::type_name& type) {
    return type.schema.empty() && type.name.find("serial") != std::string::npos;
}

bool is_numbered(const ddl::column& added) {
    return is_serial(added.type) || added.find(constraint_kind::identity) != nullptr;
}

const ddl::expression* default_of(const ddl::column& added) {
    const ddl::constraint* value = added.find(constraint_kind::default_value);
    return value != nullptr && value->value ? &*value->value : nullptr;
}

/// The column without its default, and the default for new rows only; the rows that are there follow in batches.
std::vector<std::string> in_steps(const subject& on, const ddl::clause& each) {
    const std::string column = ddl::sql_name(each.name);
    return {fmt::format("{} ADD COLUMN {} {};", alter_head(on), column, each.added->type.display()),
            fmt::format("{} ALTER COLUMN {} SET DEFAULT …;", alter_head(on), column),
            fmt::format("UPDATE … SET {} = … in batches, each in a transaction of its own", column),
            pgeist_run(on, each.text)};
}

void with_default(const subject& on, reporter& to) {
    each_rewriting(on, [&](const ddl::clause& each, const probe::effect& does) {
        const ddl::expression* value = default_of(*each.added);
        if (is_numbered(*each.added) || value == nullptr ||
            probe::volatility_of(*value) != probe::volatility::changing) {
            return;
        }
        to.add("adding-field-with-default", on.block_level(does),
               fmt::format("column {} gets a default that differs from row to row ({}()): {} is written anew{}",
                           ddl::sql_name(each.name), probe::doubtful_functions(*value).front(), joined(does.rewrites),
                           on.waiting(does)),
               in_steps(on, each));
    });
}

void with_unsure_default(const subject& on, reporter& to) {
    each_rewriting(on, [&](const ddl::clause& each, const probe::effect& does) {
        const ddl::expression* value = default_of(*each.added);
        if (is_numbered(*each.added) || value == nullptr ||
            probe::volatility_of(*value) == probe::volatility::changing ||
            each.added->find(constraint_kind::generated) != nullptr) {
            return;
        }
        const auto functions = probe::doubtful_functions(*value);
        const std::string why = functions.empty()
                                    ? fmt::format("its type {} may have a constraint", each.added->type.display())
                                    : fmt::format("{}() {} volatile", functions.front(), on.tried() ? "is" : "may be");
        to.add("default-volatility", on.block_level(does),
               fmt::format("column {}: {}, and then {} is written anew{}", ddl::sql_name(each.name), why,
                           joined(does.rewrites), on.waiting(does)),
               in_steps(on, each));
    });
}

void with_domain(const subject& on, reporter& to) {
    each_rewriting(on, [&](const ddl::clause& each, const probe::effect& does) {
        const probe::known_type* type = on.before.find_type(each.added->type);
        if (type == nullptr || !type->constrained) {
            return;
        }
        to.add(
            "adding-constrained-domain", on.block_level(does),
            fmt::format("domain {} has a constraint: {} is written anew for column {}, even without a default{}",
                        each.added->type.display(), joined(does.rewrites), ddl::sql_name(each.name), on.waiting(does)),
            {pgeist_run(on, each.text)});
    });
}

void numbered(const subject& on, reporter& to) {
    each_rewriting(on, [&](const ddl::clause& each, const probe::effect& does) {
        if (is_numbered(*each.added)) {
            to.add("adding-serial-primary-key-field", on.block_level(does),
                   fmt::format("column {} numbers all rows that are there: {} is written anew{}",
                               ddl::sql_name(each.name), joined(does.rewrites), on.waiting(does)),
                   {pgeist_run(on, each.text)});
        }
    });
}

void generated(const subject& on, reporter& to) {
    each_rewriting(on, [&](const ddl::clause& each, const probe::effect& does) {
        if (each.added->find(constraint_kind::generated) != nullptr) {
            to.add("adding-generated-column", on.block_level(does),
                   fmt::format("the stored generated column {} is computed for all rows: {} is written anew{}",
                               ddl::sql_name(each.name), joined(does.rewrites), on.waiting(does)),
                   {pgeist_run(on, each.text)});
        }
    });
}

void required(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        const bool fails = on.of_clause(at).fails && on.of_clause(at).fails->sqlstate == "23502";
        if (each.kind != clause_kind::add_column || !each.added || !fails || !on.does.fails) {
            continue;
        }
        const std::string column = ddl::sql_name(each.name);
        to.add("adding-required-field", level::error,
               fmt::format("column {} is NOT NULL and has no default: this fails as soon as {} has a row, and so does "
                           "every INSERT of the "
                           "application that does not know the column",
                           column, on.relation()),
               {fmt::format("{} ADD COLUMN {} {} NOT NULL DEFAULT …;", alter_head(on), column,
                            each.added->type.display())});
    }
}

}  // namespace

const std::vector<rule>& column_rules() {
    static const std::vector<rule> rules{
        {{"adding-field-with-default", level::error,
          "A new column has a volatile default, so every row is written anew.",
          "Since PostgreSQL 11 a default that is the same for all rows is stored once, and the table is not touched: "
          "constants, and stable "
          "functions such as now(). A volatile one (random(), clock_timestamp(), gen_random_uuid(), nextval()) must be "
          "computed for each "
          "row: the table and all its indexes are written anew under ACCESS EXCLUSIVE, and nobody reads or writes it "
          "meanwhile.",
          "Add the column without a default, SET DEFAULT for new rows, and fill the rows that are there in batches; or "
          "let `pgeist run` "
          "do the ALTER with a copy."},
         with_default},
        {{"default-volatility", level::error,
          "A new column has a default of which nobody knows whether it is volatile.",
          "The server decides by what is left of the default after planning: a function marked VOLATILE, or not marked "
          "at all, has the "
          "table written anew. Without a connection a function that PostgreSQL does not bring itself is taken for "
          "volatile.",
          "Look with \\df+ whether the function is STABLE or IMMUTABLE. If it is not: column first, SET DEFAULT, then "
          "batches; or "
          "`pgeist run`."},
         with_unsure_default},
        {{"adding-constrained-domain", level::error,
          "A new column's type is a domain with a constraint, so every row is written anew.",
          "PostgreSQL does not use its fast path for columns of a domain that has a CHECK or NOT NULL, with or without "
          "a default, in any "
          "version up to 19.",
          "Add the column with the base type and the constraint as a CHECK of the table, NOT VALID, then VALIDATE it; "
          "or `pgeist run`."},
         with_domain},
        {{"adding-serial-primary-key-field", level::error, "A new serial or identity column numbers every row.",
          "serial, bigserial and GENERATED … AS IDENTITY give each row that is there a number: the table is written "
          "anew under ACCESS "
          "EXCLUSIVE.",
          "`pgeist run` does it with a copy. There is no safe way in plain SQL short of a column that is filled in "
          "batches."},
         numbered},
        {{"adding-generated-column", level::error, "A new stored generated column is computed for every row.",
          "GENERATED ALWAYS AS (…) STORED has the table written anew under ACCESS EXCLUSIVE. A virtual one (PostgreSQL "
          "18) does not.",
          "A virtual column from 18 on; otherwise `pgeist run`. A trigger instead goes stale with later UPDATEs if it "
          "is BEFORE INSERT "
          "only."},
         generated},
        {{"adding-required-field", level::error, "A new column is NOT NULL and has no default.",
          "The rows that are there have no value for it: the statement fails unless the table is empty. INSERTs of the "
          "running application "
          "fail, too.",
          "Give it a constant default, or add it without NOT NULL, fill it, and set NOT NULL later (see "
          "adding-not-nullable-field)."},
         required},
    };
    return rules;
}

}  // namespace pgeist::lint
