// What is in one transaction, and the settings around it.

#include <algorithm>

#include <fmt/format.h>

#include "../rule.hpp"

namespace pgeist::lint {

namespace {

using ddl::statement_kind;

std::string held_by(const history& past) {
    std::vector<std::string> names;
    for (const held_lock& each : past.held) {
        names.push_back(fmt::format("{} on {} (line {})", probe::words_of(each.mode), each.relation, each.line));
    }
    return joined(names);
}

/// Data of unknown size is written or read: a backfill.
bool moves_data(const ddl::statement& what) {
    const bool changes = what.kind == statement_kind::update || what.kind == statement_kind::remove;
    return (changes && !what.pointed && !what.limited) || what.kind == statement_kind::merge ||
           (what.kind == statement_kind::insert && !what.reads.empty()) ||
           (what.kind == statement_kind::copy && what.value == "FROM") ||
           (what.kind == statement_kind::create_table_as && what.with_data && !what.reads.empty());
}

void across_work(const subject& on, reporter& to) {
    const bool nested = std::any_of(on.what.inner.begin(), on.what.inner.end(), moves_data);
    const bool data = moves_data(on.what) || nested;
    if (on.past.held.empty() || (!on.works(on.does) && !data)) {
        return;
    }
    const bool quick = on.does.work_ms && *on.does.work_ms <= on.options.max_block.count();
    std::string work = on.rewrites(on.does) ? joined(on.does.rewrites) + " is written anew"
                       : on.scans(on.does)  ? joined(on.does.scans) + " is read"
                       : on.builds(on.does) ? joined(on.does.builds) + " is built"
                                            : "rows are written";
    to.add("lock-held-across-work", quick ? level::info : level::error,
           fmt::format("{} while the transaction still holds {}", work, held_by(on.past)),
           {"COMMIT before this statement, or put it into a file of its own"});
}

void several(const subject& on, reporter& to) {
    for (const probe::relation_lock& each : on.blocking(on.does)) {
        const bool table = each.kind != probe::relation_kind::index && each.kind != probe::relation_kind::sequence;
        const bool held = std::any_of(on.past.held.begin(), on.past.held.end(),
                                      [&](const held_lock& one) { return one.relation == each.relation; });
        if (!on.past.held.empty() && !held && table) {
            to.add("several-tables-locked", level::warning,
                   fmt::format("{} on {} is waited for while the transaction still holds {}",
                               probe::words_of(each.mode), each.relation, held_by(on.past)),
                   {"one transaction for each table; or lock them all first, in a fixed order: LOCK TABLE a, b IN … "
                    "MODE"});
            return;
        }
    }
}

void concurrently_inside(const subject& on, reporter& to) {
    if (on.does.transaction == probe::transaction_need::any || on.what.kind == statement_kind::perform) {
        return;
    }
    const bool inside = on.step.inside || (on.has_neighbours && on.step.certain);
    if (inside) {
        to.add("ban-concurrent-index-creation-in-transaction", level::error,
               "this cannot run in a transaction: the server refuses it",
               {"a file of its own without a transaction (goose: -- +goose NO TRANSACTION, sqlx: -- no-transaction, "
                "dbmate: "
                "transaction:false, Atlas: -- atlas:txmode none, Flyway: executeInTransaction=false)"});
    } else if (!on.step.certain && on.file.steps.size() > 1) {
        to.add("ban-concurrent-index-creation-in-transaction", level::warning,
               "this cannot run in a transaction; a tool that sends the file as one string, or wraps it in a "
               "transaction, fails here",
               {"a file of its own", "--transaction statement, if the file is run by psql"});
    }
}

void nesting(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::begin && (on.past.block_open || on.step.wrapped)) {
        to.add("transaction-nesting", level::warning,
               "there is a transaction already: BEGIN does nothing here, and the first COMMIT ends both");
    }
    const bool ends = on.what.kind == statement_kind::commit || on.what.kind == statement_kind::rollback;
    if (ends && !on.past.block_open) {
        to.add("transaction-nesting", level::warning,
               "there is no BEGIN for this: it does nothing, or ends the transaction of the tool that runs the file");
    }
}

/// Strings of the statement, and of the defaults and conditions in it.
std::vector<std::string> literals_of(const ddl::statement& what) {
    std::vector<std::string> all = what.literals;
    const auto take = [&](const std::optional<ddl::expression>& value) {
        if (value) {
            all.insert(all.end(), value->literals.begin(), value->literals.end());
        }
    };
    const auto take_constraints = [&](const std::vector<ddl::constraint>& constraints) {
        for (const ddl::constraint& each : constraints) {
            take(each.value);
        }
    };
    for (const ddl::clause& each : what.clauses) {
        take(each.value);
        take(each.made ? each.made->value : std::nullopt);
        take_constraints(each.added ? each.added->constraints : std::vector<ddl::constraint>());
    }
    for (const ddl::column& each : what.columns) {
        take_constraints(each.constraints);
    }
    take_constraints(what.constraints);
    return all;
}

void enum_value(const subject& on, reporter& to) {
    const auto used = [&](const std::string& literal) { return !on.before.types_with_fresh_value(literal).empty(); };
    const auto literals = literals_of(on.what);
    const auto found = std::find_if(literals.begin(), literals.end(), used);
    std::string value = found == literals.end() ? "" : *found;
    if (value.empty() || on.what.kind == statement_kind::add_enum_value) {
        return;
    }
    to.add("enum-value-used-in-transaction", on.step.certain ? level::error : level::warning,
           fmt::format("the enum value '{}' cannot be used before the transaction that adds it has committed", value),
           {"add the value in a file, or transaction, before this one"});
}

}  // namespace

bool takes_its_time(const ddl::statement& what) {
    const bool builds = what.kind == statement_kind::create_index || what.kind == statement_kind::reindex ||
                        what.kind == statement_kind::drop;
    const bool validates = std::any_of(what.clauses.begin(), what.clauses.end(), [](const ddl::clause& each) {
        return each.kind == ddl::clause_kind::validate_constraint || each.concurrently;
    });
    return (builds && what.concurrently) || validates;
}

namespace {

void settings_around(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::set && on.what.local && !on.step.explicit_transaction && !on.has_neighbours) {
        to.add("session-settings", level::warning,
               fmt::format("SET LOCAL {} has no effect outside of a transaction", on.what.name),
               {fmt::format("SET {} = …;", on.what.name)});
    }
    server_settings(on, to);
    if (!takes_its_time(on.what)) {
        return;
    }
    for (const auto& [name, value] : on.past.timeouts) {
        const bool validates = on.what.kind == statement_kind::alter_table;
        if (name == "lock_timeout" && validates) {
            continue;
        }
        to.add("session-settings", level::warning,
               fmt::format("{} = {} counts here: {}", name, value,
                           validates ? "VALIDATE CONSTRAINT reads the whole table, and is ended in the middle of it"
                                     : "CONCURRENTLY waits for every older snapshot of the database, and is ended in "
                                       "the middle of that; an "
                                       "invalid index stays"),
               {fmt::format("SET {} = 0;", name)});
    }
}

void lock_timeout(const subject& on, reporter& to) {
    if (!on.blocking(on.does).empty() && !on.past.lock_timeout && !on.past.told_lock_timeout &&
        on.what.kind != statement_kind::lock_table && (on.server == nullptr || on.server->lock_timeout == 0)) {
        to.add("require-lock-timeout", level::info,
               "the file sets no lock_timeout: while this waits for its lock behind a long query, everybody else waits "
               "behind this",
               {"SET lock_timeout = '2s'; -- and try again when it strikes"});
    }
}

}  // namespace

const std::vector<rule>& transaction_rules() {
    static const std::vector<rule> rules{
        {{"lock-held-across-work", level::error,
          "A strong lock is held while something long is done later in the same transaction.",
          "A lock is kept to the end of its transaction. An ALTER TABLE that takes a moment keeps everybody out for as "
          "long as the scan, the "
          "index, the backfill or the VALIDATE behind it takes. NOT VALID and VALIDATE in one transaction are worth "
          "nothing. Files without "
          "a mark are taken for one transaction, as most tools run them; --transaction statement says otherwise.",
          "COMMIT in between, or two files."},
         across_work},
        {{"several-tables-locked", level::warning,
          "One transaction takes strong locks on several tables, one after the other.",
          "While it waits for the second table, it keeps everybody from the first. Two such transactions, or one and "
          "the application, "
          "deadlock when they come in another order.",
          "A transaction for each table, or all locks at the beginning with LOCK TABLE."},
         several},
        {{"ban-concurrent-index-creation-in-transaction", level::error,
          "A statement that cannot run in a transaction is in one.",
          "CREATE, DROP and REINDEX INDEX CONCURRENTLY, DETACH PARTITION … CONCURRENTLY, VACUUM, CREATE DATABASE and "
          "the like are refused "
          "in a transaction block, and in a string with several statements.",
          "A file of its own with the tool's mark for no transaction."},
         concurrently_inside},
        {{"transaction-nesting", level::warning, "BEGIN within a transaction, or COMMIT without one.",
          "PostgreSQL has no nested transactions: the second BEGIN is ignored with a warning, the first COMMIT ends "
          "everything. In a "
          "migration tool's own transaction it commits what the tool would have rolled back.",
          "Leave BEGIN and COMMIT to the tool; SAVEPOINT for parts."},
         nesting},
        {{"ban-uncommitted-transaction", level::error, "The file ends within a transaction.",
          "What follows a BEGIN without COMMIT is rolled back when the session ends.", "COMMIT;"},
         nullptr},
        {{"enum-value-used-in-transaction", level::error, "A new enum value is used in the transaction that adds it.",
          "The server refuses it (\"unsafe use of new value\"), unless the type itself was made in the same "
          "transaction.",
          "Two transactions: one that adds the value, one that uses it."},
         enum_value},
        {{"session-settings", level::warning, "A setting of the file works against a statement, or does nothing.",
          "statement_timeout and lock_timeout also count the time that CONCURRENTLY spends waiting for old snapshots "
          "of the whole "
          "database, and VALIDATE spends reading. SET LOCAL holds for a transaction only.",
          "SET … = 0 before CONCURRENTLY and VALIDATE."},
         settings_around},
        {{"require-lock-timeout", level::info, "A file takes locks that others wait for, and sets no lock_timeout.",
          "A lock that cannot be had at once is queued for, and all who come later queue behind it. The shortest ALTER "
          "TABLE becomes an "
          "outage behind one long query. Told once for each file.",
          "SET lock_timeout to a second or two, and try again when it strikes; `pgeist run` does that by itself."},
         lock_timeout},
    };
    return rules;
}

}  // namespace pgeist::lint
