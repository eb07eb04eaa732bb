// What takes a moment, and breaks the application that is running, or a consumer.

#include <algorithm>

#include <fmt/format.h>

#include "../rule.hpp"
#include "pgeist/ddl/lexer.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;
using ddl::object_kind;
using ddl::statement_kind;

template <class Check>
void each_clause(const subject& on, clause_kind kind, Check&& check) {
    for (const ddl::clause& each : on.what.clauses) {
        if (each.kind == kind && on.in_use(on.relation())) {
            check(each);
        }
    }
}

bool of_relation(object_kind object) {
    return object == object_kind::table || object == object_kind::view || object == object_kind::materialized_view ||
           object == object_kind::foreign_table;
}

void renamed_column(const subject& on, reporter& to) {
    each_clause(on, clause_kind::rename_column, [&](const ddl::clause& each) {
        to.add("renaming-column", level::warning,
               fmt::format("what reads or writes {} of {} fails from the commit on", ddl::sql_name(each.name),
                           on.relation()),
               {fmt::format("a new column {} that is kept in step with {} by a trigger, until nobody uses the old one",
                            ddl::sql_name(each.new_name), ddl::sql_name(each.name))});
    });
}

void renamed_table(const subject& on, reporter& to) {
    if (!of_relation(on.what.object) && on.what.object != object_kind::type) {
        return;
    }
    each_clause(on, clause_kind::rename, [&](const ddl::clause& each) {
        to.add("renaming-table", level::warning,
               fmt::format("what uses {} by its name fails from the commit on", on.relation()),
               {fmt::format(
                   "CREATE VIEW {} AS SELECT * FROM {}; -- in the same transaction, until nobody uses the old name",
                   on.relation(), ddl::sql_name(each.new_name))});
    });
    each_clause(on, clause_kind::set_schema, [&](const ddl::clause& each) {
        to.add("renaming-table", level::warning,
               fmt::format(
                   "{} moves to schema {}: what finds it by its old schema, or search_path, fails from the commit on",
                   on.relation(), ddl::sql_name(each.new_name)));
    });
}

void renamed_value(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::rename_enum_value && on.in_use(on.relation())) {
        to.add("renaming-enum-value", level::warning,
               fmt::format("queries that write '{}' fail from the commit on", on.what.value),
               {"ALTER TYPE … ADD VALUE, and change the rows later"});
    }
}

void dropped_column(const subject& on, reporter& to) {
    each_clause(on, clause_kind::drop_column, [&](const ddl::clause& each) {
        const auto position = static_cast<std::size_t>(&each - on.what.clauses.data());
        if (on.of_clause(position).needless) {
            return;
        }
        to.add("ban-drop-column", level::warning,
               fmt::format("what names column {} of {} fails from the commit on, and its values are lost; so are "
                           "indexes and constraints "
                           "over it",
                           ddl::sql_name(each.name), on.relation()),
               {"take the column out of the application first, and out of what its ORM caches"});
    });
}

void dropped_table(const subject& on, reporter& to) {
    if (on.what.kind != statement_kind::drop || on.does.needless) {
        return;
    }
    std::vector<std::string> names;
    for (const qualified_name& each : on.what.relations) {
        const std::string name = on.before.name_of(each);
        if (on.in_use(name)) {
            names.push_back(name);
        }
    }
    const object_kind object = on.what.object;
    if (!names.empty() && (of_relation(object) || object == object_kind::schema || object == object_kind::sequence)) {
        to.add("ban-drop-table", level::warning,
               object == object_kind::schema
                   ? fmt::format("schema {} goes, with what is in it", ddl::sql_name(on.what.relation.name))
                   : fmt::format("{} goes, with its rows; what uses it fails from the commit on", joined(names)),
               {"rename it first, and drop it when nobody has missed it"});
    }
}

void dropped_database(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::create_database && on.what.name == "drop") {
        to.add("ban-drop-database", level::warning, "the database goes, with everything in it");
    }
}

void truncated(const subject& on, reporter& to) {
    if (on.what.kind != statement_kind::truncate || on.blocking(on.does).empty()) {
        return;
    }
    std::vector<std::string> names;
    for (const qualified_name& each : on.what.relations) {
        names.push_back(on.before.name_of(each));
    }
    if (on.what.cascade) {
        to.add("ban-truncate-cascade", level::warning,
               fmt::format(
                   "TRUNCATE … CASCADE also empties every table with a foreign key to {}, and those with one to these",
                   joined(names)),
               {"name all tables, without CASCADE"});
        return;
    }
    to.add("truncating-table", level::warning,
           fmt::format("all rows of {} are lost, and transactions that began before see none of them", joined(names)),
           {"DELETE in batches, or a new table and a swap of names"});
}

void cascade(const subject& on, reporter& to) {
    const bool clause = std::any_of(on.what.clauses.begin(), on.what.clauses.end(),
                                    [](const ddl::clause& each) { return each.cascade; });
    const bool drop = on.what.kind == statement_kind::drop && on.what.cascade;
    if ((drop && !on.does.needless) || (clause && on.in_use(on.relation()))) {
        std::vector<std::string> gone;
        for (const probe::dependent& each : on.does.dependents) {
            gone.push_back(each.kind + " " + each.name);
        }
        to.add("dropping-cascade", level::warning,
               fmt::format("CASCADE drops whatever depends on it, without a word{}",
                           gone.empty() ? ": views, foreign keys, defaults, columns" : ": " + joined(gone)),
               {"drop what depends on it by name, without CASCADE"});
    }
}

void disabled_trigger(const subject& on, reporter& to) {
    each_clause(on, clause_kind::disable_trigger, [&](const ddl::clause& each) {
        const std::string what = each.word == "ALL"    ? "all triggers, those of foreign keys among them,"
                                 : each.word == "USER" ? "all triggers"
                                                       : "trigger " + ddl::sql_name(each.name);
        to.add("disabling-trigger", level::warning,
               fmt::format("{} of {} are off for every session from the commit on: what they guard or write is not "
                           "guarded or written",
                           what, on.relation()),
               {"SET LOCAL session_replication_role = replica; -- for this transaction only (needs the right to)"});
    });
}

bool is_primary_key(const subject& on, const std::string& name) {
    const probe::known_constraint* known = on.before.find_constraint(on.relation(), name);
    return known != nullptr ? known->what.kind == ddl::constraint_kind::primary_key : name.ends_with("_pkey");
}

/// Without a server nobody knows: then it may be.
bool is_published(const subject& on) {
    const probe::known_relation* table = on.before.find(on.relation());
    return on.server == nullptr || on.server->logical_slots > 0 || table == nullptr || !table->size ||
           table->size->published;
}

void identity_lost(const subject& on, reporter& to) {
    each_clause(on, clause_kind::drop_constraint, [&](const ddl::clause& each) {
        const bool again = std::any_of(on.what.clauses.begin(), on.what.clauses.end(), [](const ddl::clause& other) {
            return other.made && other.made->kind == ddl::constraint_kind::primary_key;
        });
        if (is_primary_key(on, each.name) && !again) {
            to.add(
                "removing-replica-identity", is_published(on) ? level::warning : level::info,
                fmt::format(
                    "without its primary key {} has no replica identity: where it is published, UPDATE and DELETE fail",
                    on.relation()),
                {alter_head(on) + " REPLICA IDENTITY USING INDEX …; -- before"});
        }
    });
    each_clause(on, clause_kind::replica_identity, [&](const ddl::clause& each) {
        if (each.word == "NOTHING") {
            to.add("removing-replica-identity", is_published(on) ? level::warning : level::info,
                   fmt::format("{} loses its replica identity: where it is published, UPDATE and DELETE fail",
                               on.relation()));
        }
    });
}

void unbatched_change(const ddl::statement& what, const subject& on, reporter& to) {
    const bool changes = what.kind == statement_kind::update || what.kind == statement_kind::remove;
    const std::string table = on.before.name_of(what.relation);
    if (!changes || what.pointed || what.limited || !on.in_use(table)) {
        return;
    }
    const bool update = what.kind == statement_kind::update;
    const bool quick = on.does.work_ms && *on.does.work_ms <= on.options.max_block.count();
    to.add("unbatched-write", quick ? level::info : level::warning,
           fmt::format("{} {} of {} in one transaction: their locks are kept to its end, and VACUUM, replicas and the "
                       "disk take it all at "
                       "once",
                       update ? "UPDATE changes" : "DELETE takes",
                       what.filtered ? "an unknown number of rows" : "all rows", table),
           {"batches of some thousand rows along the key, each in a transaction of its own"});
}

void unbatched(const subject& on, reporter& to) {
    unbatched_change(on.what, on, to);
    for (const ddl::statement& each : on.what.writes) {  // in its WITH
        unbatched_change(each, on, to);
    }
}

}  // namespace

const std::vector<rule>& application_rules() {
    static const std::vector<rule> rules{
        {{"renaming-column", level::warning, "A column that the running application uses gets another name.",
          "The rename takes a moment; the old version of the application, which still runs while the new one is rolled "
          "out, fails on every "
          "query that names the column.",
          "Add the new column, keep both in step, move the application over, drop the old one."},
         renamed_column},
        {{"renaming-table", level::warning, "A table gets another name or schema.",
          "Old and new version of the application run side by side during a deployment; one of them does not find its "
          "table.",
          "A view with the old name in the same transaction."},
         renamed_table},
        {{"renaming-enum-value", level::warning, "An enum value gets another name.",
          "Queries with the old word fail (\"invalid input value for enum\").", "ADD VALUE, and change the rows."},
         renamed_value},
        {{"ban-drop-column", level::warning, "A column is dropped.",
          "The running application may still name it: ORMs list all columns that they knew when they started. Views, "
          "indexes and "
          "constraints over the column go or stand in the way.",
          "Take it out of the application first; drop it a deployment later."},
         dropped_column},
        {{"ban-drop-table", level::warning, "A table, view, sequence or schema is dropped.",
          "Its rows are lost, and DROP TABLE locks every table that it has a foreign key to in ACCESS EXCLUSIVE.",
          "Rename it and wait; drop its foreign keys one by one before."},
         dropped_table},
        {{"ban-drop-database", level::warning, "A database is dropped.", "Everything in it is lost.",
          "Not in a migration."},
         dropped_database},
        {{"ban-truncate-cascade", level::warning, "TRUNCATE … CASCADE empties tables that nobody has named.",
          "It follows foreign keys, and theirs, and locks all those tables in ACCESS EXCLUSIVE.", "Name the tables."},
         truncated},
        {{"truncating-table", level::warning, "A table is emptied.",
          "TRUNCATE takes ACCESS EXCLUSIVE, fires no DELETE triggers, and is not MVCC-safe: older snapshots see an "
          "empty table.",
          "DELETE in batches where somebody is using it."},
         nullptr},
        {{"dropping-cascade", level::warning, "CASCADE drops what depends on it.",
          "Views, foreign keys of other tables, defaults and columns vanish without a word, and each takes its own "
          "ACCESS EXCLUSIVE lock.",
          "Drop the dependents by name."},
         cascade},
        {{"disabling-trigger", level::warning, "A trigger is switched off for everybody.",
          "DISABLE TRIGGER takes SHARE ROW EXCLUSIVE (writes wait) and holds for all sessions; ALL includes the checks "
          "of foreign keys, "
          "which are not made up for later.",
          "session_replication_role for the one session that needs it."},
         disabled_trigger},
        {{"removing-replica-identity", level::warning, "A table loses its primary key or replica identity.",
          "On a published table UPDATE and DELETE then fail; logical decoding has no old keys.",
          "REPLICA IDENTITY USING INDEX on another unique index first."},
         identity_lost},
        {{"unbatched-write", level::warning, "UPDATE or DELETE of many rows in one transaction.",
          "Each changed row is written anew, locked until the end, replayed by replicas in one piece, and left to "
          "VACUUM.",
          "Batches along the key."},
         unbatched},
    };
    return rules;
}

}  // namespace pgeist::lint
