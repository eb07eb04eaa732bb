// What only a server that was asked can tell.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;
using ddl::statement_kind;

/// Younger transactions are gone before the migration comes.
constexpr double worth_telling_seconds = 1.0;

bool lasts(const bystander& each) { return !each.seconds || *each.seconds >= worth_telling_seconds; }

std::string since(const bystander& each) {
    if (!each.seconds) {
        return "";
    }
    const auto time = std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(*each.seconds * 1000)));
    return fmt::format(", whose transaction has been open for {},", format_duration(time));
}

bool builds_concurrently(const ddl::statement& what) {
    return what.concurrently && (what.kind == statement_kind::create_index || what.kind == statement_kind::reindex);
}

void in_the_way(const subject& on, reporter& to) {
    if (on.server == nullptr || on.does.needless) {
        return;
    }
    std::size_t told = 0;
    constexpr std::size_t most = 5;
    for (const bystander& each : on.server->others) {
        if (!lasts(each) || told == most) {
            continue;
        }
        for (const bystander::held& held : each.locks) {
            if (probe::conflict(on.does.on(held.relation), held.mode)) {
                to.add("blocked-now", level::warning,
                       fmt::format("{}{} holds {} on {}: this would wait for it right now", each.who, since(each),
                                   probe::words_of(held.mode), held.relation));
                ++told;
                break;
            }
        }
        if (each.old_snapshot && builds_concurrently(on.what)) {
            to.add("blocked-now", level::warning,
                   fmt::format("{}{} has an old snapshot: CONCURRENTLY would wait for it right now", each.who,
                               since(each)));
            ++told;
        }
    }
}

/// The index of that name that is there now, if the file has not made it.
const probe::known_index* there_now(const subject& on, const std::string& name) {
    return on.in_use(name) ? on.before.find_index(name) : nullptr;
}

void invalid_index(const subject& on, reporter& to) {
    if (on.server == nullptr) {
        return;
    }
    std::vector<std::string> names;
    const std::string table = on.relation();
    if (on.what.kind == statement_kind::create_index && on.what.made_index && !on.what.made_index->name.empty()) {
        names.push_back(on.before.beside(table, on.what.made_index->name));
    }
    for (const ddl::clause& each : on.what.clauses) {
        if (each.made && !each.made->index.empty()) {
            names.push_back(on.before.beside(table, each.made->index));
        }
    }
    for (const std::string& name : names) {
        const probe::known_index* index = there_now(on, name);
        if (index == nullptr) {
            continue;
        }
        const auto& others = on.server->others;
        const auto builder =
            std::find_if(others.begin(), others.end(), [&](const bystander& each) { return each.building == name; });
        if (!index->valid) {
            to.add("invalid-index-in-the-way", level::error,
                   fmt::format("index {} exists and is not valid{}{}", name,
                               builder != others.end() ? fmt::format(": {} is building it", builder->who)
                                                       : ": an earlier attempt has left it",
                               index->unique ? "; it refuses duplicates all the same" : ""),
                   {fmt::format("REINDEX INDEX CONCURRENTLY {}; -- or", name),
                    fmt::format("DROP INDEX CONCURRENTLY {};", name)});
        } else if (on.what.kind == statement_kind::create_index && !on.does.needless) {
            to.add("invalid-index-in-the-way", level::error,
                   fmt::format("there is an index {} with another definition, on {}", name, index->table));
        }
    }
}

void room(const subject& on, reporter& to) {
    if (on.server == nullptr) {
        return;
    }
    constexpr std::int64_t worth_telling = 1LL << 30;
    const server_facts& server = *on.server;
    const bool writes = on.rewrites(on.does) || on.builds(on.does);
    if (writes && on.does.bytes && *on.does.bytes >= worth_telling) {
        const bool slots = server.standbys > 0 || server.logical_slots > 0;
        const bool too_much = slots && server.kept_wal >= 0 && *on.does.bytes > server.kept_wal;
        to.add(
            "room", too_much ? level::warning : level::info,
            fmt::format("about {} are read and written: while it runs the disk needs room for the new files, and for "
                        "as much WAL{}",
                        format_size(*on.does.bytes),
                        too_much ? fmt::format("; that is more than max_slot_wal_keep_size ({}), and a slot that "
                                               "lags behind is lost",
                                               format_size(server.kept_wal))
                                 : ""));
    }
    std::int64_t locks = 0;
    for (const probe::relation_lock& each : on.does.locks) {
        locks += 2 + static_cast<std::int64_t>(on.before.indexes_of(each.relation).size());
    }
    if (server.lock_slots > 0 && locks > server.lock_slots / 2) {
        to.add("room", level::warning,
               fmt::format("about {} locks are held at once, of {} that the server has room for", locks,
                           server.lock_slots),
               {"fewer tables in one transaction, or a higher max_locks_per_transaction"});
    }
    constexpr int most_columns = 1600;
    constexpr int many_columns = 1500;
    const probe::known_relation* table = on.before.find(on.relation());
    const bool adds = std::any_of(on.what.clauses.begin(), on.what.clauses.end(), [](const ddl::clause& each) {
        return each.kind == clause_kind::add_column && each.added;
    });
    if (adds && table != nullptr && table->size && table->size->columns >= many_columns) {
        const bool full = table->size->columns >= most_columns;
        to.add("room", full ? level::error : level::warning,
               fmt::format("{} has used {} of the {} columns that a table can have, dropped ones included{}",
                           on.relation(), table->size->columns, most_columns, full ? ": this fails" : ""),
               {fmt::format("pgeist run -d DATABASE --table {} --repack", on.relation())});
    }
}

/// What subscribers and CDC consumers would have to be told.
bool changes_shape(const ddl::statement& what) {
    return std::any_of(what.clauses.begin(), what.clauses.end(), [](const ddl::clause& each) {
        return each.kind == clause_kind::add_column || each.kind == clause_kind::drop_column ||
               each.kind == clause_kind::alter_type || each.kind == clause_kind::rename_column ||
               each.kind == clause_kind::rename || each.kind == clause_kind::set_schema;
    });
}

void replicas(const subject& on, reporter& to) {
    if (on.server == nullptr || on.does.needless) {
        return;
    }
    const auto blocking = on.blocking(on.does);
    const bool strongest = std::any_of(blocking.begin(), blocking.end(), [](const probe::relation_lock& each) {
        return probe::blocks_reads(each.mode) && each.kind != probe::relation_kind::index;
    });
    if (on.server->standbys > 0 && strongest && on.works(on.does) && on.block_level(on.does) == level::error) {
        to.add("replica-impact", level::warning,
               fmt::format("{} replay ACCESS EXCLUSIVE: queries there wait until this commits, or are cancelled after "
                           "max_standby_streaming_delay",
                           on.server->standbys == 1 ? "one standby will"
                                                    : fmt::format("{} standbys will", on.server->standbys)));
    }
    const probe::known_relation* table = on.before.find(on.relation());
    const bool published = table != nullptr && table->size && table->size->published && on.in_use(on.relation());
    if (published && on.what.kind == statement_kind::alter_table && changes_shape(on.what)) {
        to.add("replica-impact", level::warning,
               fmt::format("{} is published: its definition is not replicated, and the subscribers' tables need the "
                           "change, too{}",
                           on.relation(), on.rewrites(on.does) ? "; rows that a rewrite converts are not sent" : ""),
               {"new columns on the subscriber first; dropped ones on the publisher first"});
    } else if (on.server->logical_slots > 0 && on.rewrites(on.does)) {
        to.add("replica-impact", level::warning,
               "this database has logical replication slots: values that a rewrite gives to rows are not decoded");
    }
}

}  // namespace

const std::vector<rule>& server_rules() {
    static const std::vector<rule> rules{
        {{"blocked-now", level::warning, "Another session would make the statement wait right now.",
          "Told with a connection only: sessions and prepared transactions whose transaction has been open for more "
          "than "
          "a second and that hold a lock in conflict, autovacuum against wraparound among them; for CREATE INDEX and "
          "REINDEX CONCURRENTLY also those with an old snapshot of this database, as pg_dump and long reports have. "
          "While the statement waits, everybody else waits behind it.",
          "Wait for them, or end them, before the migration; a lock_timeout and several tries."},
         in_the_way},
        {{"invalid-index-in-the-way", level::error, "An index of that name is there, and is not valid or another one.",
          "CREATE INDEX CONCURRENTLY that failed or was cancelled leaves an invalid index. It has the name, so that "
          "the "
          "next try fails or, with IF NOT EXISTS, does nothing and is called a success; it is written by every INSERT; "
          "a "
          "unique one goes on refusing duplicates. An index that is being built right now looks the same, and is told "
          "apart. With a connection only.",
          "REINDEX INDEX CONCURRENTLY, or DROP INDEX CONCURRENTLY and build it again."},
         invalid_index},
        {{"room", level::info, "The statement needs much disk, WAL, locks or columns.",
          "A rewrite keeps old and new file until it commits, and writes as much WAL; with max_slot_wal_keep_size a "
          "slot "
          "that lags behind that is lost. All partitions and their indexes are locked at once. Dropped columns count "
          "to "
          "the 1600 that a table can have, until it is rewritten by pgeist. With a connection only.",
          "Look at the free space of the tablespace and of pg_wal first."},
         room},
        {{"replica-impact", level::warning, "Standbys or subscribers feel the statement.",
          "Standbys replay ACCESS EXCLUSIVE: queries on them wait, and are cancelled after "
          "max_standby_streaming_delay. "
          "Logical replication sends no DDL, and not what a rewrite makes of rows that are there: subscribers stop at "
          "the first row that does not fit, consumers keep old values. With a connection only.",
          "Change the subscriber too, in the right order; use a change without a rewrite, or tell the consumers."},
         replicas},
    };
    return rules;
}

void server_settings(const subject& on, reporter& to) {
    if (on.server == nullptr) {
        return;
    }
    const bool set_in_file = on.past.timeouts.contains("statement_timeout") || on.past.set_statement_timeout;
    if (takes_its_time(on.what) && on.server->statement_timeout > 0 && !set_in_file) {
        to.add("session-settings", level::warning,
               fmt::format("this role has statement_timeout = {} here: it ends this in the middle",
                           format_duration(std::chrono::milliseconds(on.server->statement_timeout))),
               {"SET statement_timeout = 0;"});
    }
    if (on.server->pooler && on.what.kind == statement_kind::set && !on.what.local) {
        to.add("session-settings", level::warning,
               fmt::format("a pooler stands before this server: SET {} may reach another session than the statements "
                           "behind it",
                           on.what.name),
               {fmt::format("SET LOCAL {} = …; -- in one transaction with them", on.what.name)});
    }
}

}  // namespace pgeist::lint
