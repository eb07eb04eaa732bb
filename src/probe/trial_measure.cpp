#include "trial_measure.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "trial_text.hpp"

namespace pgeist::probe {

namespace {

constexpr const char* relations_sql = R"(
    SELECT c.oid, c.relname, c.relkind, c.relfilenode, coalesce(i.indrelid, 0) AS table_oid,
           CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_stat_get_xact_numscans(c.oid) END AS scans
      FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
     WHERE c.relnamespace = pg_catalog.pg_my_temp_schema() ORDER BY c.oid)";

constexpr const char* keys_sql = R"(
    SELECT oid, conname, conrelid, confrelid, convalidated FROM pg_catalog.pg_constraint
     WHERE contype = 'f' AND connamespace = pg_catalog.pg_my_temp_schema())";

constexpr const char* types_sql = R"(
    SELECT t.oid, t.typname FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
     WHERE t.typtype IN ('e', 'd', 'c') AND (t.typrelid = 0 OR c.relkind = 'c')
       AND t.typnamespace = pg_catalog.pg_my_temp_schema())";

// `foreign`: of a relation that others can see, that is of nobody's making here.
constexpr const char* locks_sql = R"(
    SELECT coalesce(l.relation, l.objid) AS oid, l.mode, l.locktype = 'object' AS of_type,
           l.locktype = 'relation' AND c.oid >= 16384 AND n.nspname !~ '^pg_(toast_)?temp_' AS is_foreign,
           n.nspname, c.relname
      FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
      LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
       AND (l.locktype = 'relation'
            OR l.locktype = 'object' AND l.classid = 'pg_catalog.pg_type'::pg_catalog.regclass))";

/// The name between `prefix` and the quote that ends the message (it may have quotes itself); empty when it is another
/// message.
std::string named_behind(const std::string& message, const std::string& prefix) {
    if (message.rfind(prefix, 0) != 0 || !message.ends_with('"') || message.size() <= prefix.size()) {
        return {};
    }
    return message.substr(prefix.size(), message.size() - prefix.size() - 1);
}

relation_kind kind_of_relation(const stage& at, const seen_relation& of) {
    switch (of.kind) {
        case 'p':
            return relation_kind::partitioned_table;
        case 'i':
        case 'I':
            return relation_kind::index;
        case 'S':
            return relation_kind::sequence;
        case 'v': {
            const auto real = at.names.real_of(of.name, at.default_schema);
            const bool materialized = std::any_of(at.dependents.begin(), at.dependents.end(), [&](const auto& each) {
                return each.kind == "materialized view" && each.on == real;
            });
            return materialized ? relation_kind::materialized_view : relation_kind::view;
        }
        default:
            return relation_kind::table;
    }
}

/// Reads one statement's effect; holds what its parts need.
class reading {
public:
    reading(const stage& at, const snapshot& before, const snapshot& after) : at_(at), before_(before), after_(after) {}

    effect read(const std::string& statement, const std::vector<pg::notice>& notices) {
        found_.source = evidence::tried;
        if (kind_of(statement) != "truncate") {
            find_rewrites();
            find_builds();
            find_scans(notices);
        }
        find_locks();
        find_sequences(statement);
        find_lost();
        found_.needless = std::any_of(notices.begin(), notices.end(), [](const pg::notice& each) {
            return each.severity == "NOTICE" && each.message.ends_with(", skipping");
        });
        found_.assumptions = at_.assumptions;
        return std::move(found_);
    }

private:
    [[nodiscard]] std::string name_of(const seen_relation& each) const {
        std::string schema = at_.default_schema;
        if (each.table != 0) {
            const auto table = before_.relations.find(each.table);
            if (table != before_.relations.end()) {
                schema = at_.names.real_of(table->second.name, schema).schema;
            }
        }
        return sql_name_of(at_.names.real_of(each.name, schema));
    }

    void find_rewrites() {
        for (const auto& [oid, now] : after_.relations) {
            const auto was = before_.relations.find(oid);
            if (was != before_.relations.end() && now.kind == 'r' && was->second.file != now.file) {
                rewritten_.insert(oid);
                found_.rewrite(name_of(was->second));
            }
        }
    }

    [[nodiscard]] const seen_relation* before_of(std::int64_t oid, const seen_relation& now) const {
        const auto same = before_.relations.find(oid);
        if (same != before_.relations.end()) {
            return &same->second;
        }
        for (const auto& each : before_.relations) {
            if (each.second.kind == now.kind && each.second.name == now.name) {
                return &each.second;
            }
        }
        return nullptr;
    }

    /// An index that ALTER TYPE keeps has another OID afterwards, but the file of before. One that is not valid would
    /// not be kept.
    void find_builds() {
        for (const auto& [oid, now] : after_.relations) {
            const bool on_known = before_.relations.count(now.table) != 0 && rewritten_.count(now.table) == 0;
            if (now.kind != 'i' || !on_known) {
                continue;
            }
            const auto* was = before_of(oid, now);
            const bool made_anew = before_.relations.count(oid) == 0;
            const bool kept = was != nullptr && was->file == now.file;
            if (!kept || (made_anew && at_.invalid_indexes.count(now.name) != 0)) {
                ++builds_[now.table];
                found_.build(name_of(now));
            }
        }
    }

    void find_scans(const std::vector<pg::notice>& notices) {
        std::set<std::int64_t> told;
        std::set<std::int64_t> referencing;  // read once more even after a rewrite
        std::set<std::int64_t> referenced;
        for (const pg::notice& each : notices) {
            const auto table = named_behind(each.message, "verifying table \"");
            for (const auto& [oid, seen] : before_.relations) {
                if (!table.empty() && seen.name == table) {
                    told.insert(oid);
                }
            }
            const auto key = named_behind(each.message, "validating foreign key constraint \"");
            for (const auto& [oid, seen] : after_.keys) {
                // Partitions have keys of one name: meant is one that is new, or was not valid.
                const auto was = before_.keys.find(oid);
                if (!key.empty() && seen.name == key && (was == before_.keys.end() || !was->second.validated)) {
                    note_key(seen, referencing, referenced);
                }
            }
        }
        for (const auto& [oid, was] : before_.relations) {
            const bool verified =
                rewritten_.count(oid) == 0 && (told.count(oid) != 0 || counted(oid, was, referenced, notices.size()));
            if (verified || referencing.count(oid) != 0) {
                found_.scan(name_of(was));
            }
        }
    }

    /// Validating reads the referencing table; how it looks up the referenced one is the planner's choice. Of a
    /// partitioned table the partitions are read.
    void note_key(const seen_key& key, std::set<std::int64_t>& referencing, std::set<std::int64_t>& referenced) const {
        const auto table = before_.relations.find(key.table);
        if (table != before_.relations.end() && table->second.kind == 'r') {
            referencing.insert(key.table);
        }
        referenced.insert(key.referenced);
    }

    /// Building an index begins a scan, too (for an exclusion constraint two): there the messages alone are believed,
    /// unless so many came that some were lost.
    [[nodiscard]] bool counted(std::int64_t oid, const seen_relation& was, const std::set<std::int64_t>& referenced,
                               std::size_t messages) const {
        constexpr std::size_t kept_messages = 100;
        const auto now = after_.relations.find(oid);
        if (now == after_.relations.end() || referenced.count(oid) != 0) {
            return false;
        }
        const auto built = builds_.find(oid);
        const auto begun = now->second.scans - was.scans;
        if (built == builds_.end()) {
            return begun > 0;
        }
        return messages >= kept_messages && begun > built->second;
    }

    void find_locks() {
        for (const seen_lock& each : after_.locks) {
            const bool held = std::find(before_.locks.begin(), before_.locks.end(), each) != before_.locks.end();
            if (held || each.mode == lock_mode::none) {
                continue;
            }
            if (each.of_type) {
                const auto type = before_.types.find(each.oid);
                if (type != before_.types.end() && each.mode > lock_mode::access_share) {
                    found_.lock(sql_name_of(at_.names.real_of(type->second, at_.default_schema)), each.mode,
                                relation_kind::type);
                }
                continue;
            }
            const auto relation = before_.relations.find(each.oid);
            if (relation != before_.relations.end()) {
                if (each.mode > lock_mode::access_share) {
                    found_.lock(name_of(relation->second), each.mode, kind_of_relation(at_, relation->second));
                }
            }
        }
    }

    /// A default that draws from a sequence draws once a row while the table is written anew; here no row was there.
    void find_sequences(const std::string& statement) {
        if (rewritten_.empty()) {
            return;
        }
        for (const written_name& each : names_in(statement)) {
            for (const auto& [oid, was] : before_.relations) {
                const auto real = at_.names.real_of(was.name, at_.default_schema);
                if (was.kind == 'S' && real.name == each.name && (each.schema.empty() || each.schema == real.schema)) {
                    found_.lock(sql_name_of(real), lock_mode::row_exclusive, relation_kind::sequence);
                }
            }
        }
    }

    /// What CASCADE, or the statement by itself, took along.
    void find_lost() {
        for (const auto& [oid, was] : before_.relations) {
            if (was.kind == 'v' && after_.relations.count(oid) == 0) {
                add(kind_of_relation(at_, was) == relation_kind::view ? "view" : "materialized view", name_of(was));
            }
        }
        for (const auto& [oid, was] : before_.keys) {
            const auto table = before_.relations.find(was.table);
            if (after_.keys.count(oid) == 0 && table != before_.relations.end() &&
                after_.relations.count(was.table) != 0 && !has_key(was)) {
                add("foreign key", fmt::format("{} on {}", display_identifier(was.name), name_of(table->second)));
            }
        }
    }

    /// ALTER TYPE drops and makes again.
    [[nodiscard]] bool has_key(const seen_key& was) const {
        return std::any_of(after_.keys.begin(), after_.keys.end(), [&](const auto& each) {
            return each.second.name == was.name && each.second.table == was.table;
        });
    }

    void add(const char* kind, std::string name) {
        dependent lost;
        lost.kind = kind;
        lost.name = std::move(name);
        lost.in_the_way = false;
        found_.dependents.push_back(std::move(lost));
    }

    const stage& at_;
    const snapshot& before_;
    const snapshot& after_;
    effect found_;
    std::set<std::int64_t> rewritten_;
    std::map<std::int64_t, std::int64_t> builds_;
};

/// There may be thousands, after each statement: columns are found by their place, and come in the order of OIDs.
void read_relations(const pg::result& rows, snapshot& into) {
    const int oid = rows.column("oid");
    const int name = rows.column("relname");
    const int kind = rows.column("relkind");
    const int file = rows.column("relfilenode");
    const int table = rows.column("table_oid");
    const int scans = rows.column("scans");
    for (int row = 0; row < rows.rows(); ++row) {
        seen_relation each;
        each.name = rows.text(row, name);
        each.kind = rows.view(row, kind).front();
        each.file = rows.integer(row, file);
        each.table = rows.integer(row, table);
        each.scans = rows.integer(row, scans);
        into.relations.emplace_hint(into.relations.end(), rows.integer(row, oid), std::move(each));
    }
}

void read_locks(const pg::result& rows, snapshot& into) {
    for (int row = 0; row < rows.rows(); ++row) {
        seen_lock each;
        each.oid = rows.integer(row, "oid");
        each.mode = lock_mode_of(rows.text(row, "mode")).value_or(lock_mode::none);
        each.of_type = rows.boolean(row, "of_type");
        if (rows.boolean(row, "is_foreign") && each.mode > lock_mode::access_share) {
            const qualified_name real{rows.text(row, "nspname"), rows.text(row, "relname")};
            throw not_tried(fmt::format("it reaches {} itself, which has no stand-in", real.display()));
        }
        into.locks.push_back(each);
    }
}

}  // namespace

awaitable<snapshot> look(stage& at) {
    const pg::connection::kept_plans kept(at.session);
    snapshot seen;
    const auto relations = co_await at.session.query(relations_sql);
    read_relations(relations, seen);
    const auto keys = co_await at.session.query(keys_sql);
    for (int row = 0; row < keys.rows(); ++row) {
        seen_key each;
        each.name = keys.text(row, "conname");
        each.table = keys.integer(row, "conrelid");
        each.referenced = keys.integer(row, "confrelid");
        each.validated = keys.boolean(row, "convalidated");
        seen.keys[keys.integer(row, "oid")] = std::move(each);
    }
    if (!at.types.empty()) {
        const auto types = co_await at.session.query(types_sql);
        for (int row = 0; row < types.rows(); ++row) {
            seen.types[types.integer(row, 0)] = types.text(row, 1);
        }
    }
    const auto locks = co_await at.session.query(locks_sql);
    read_locks(locks, seen);
    co_return seen;
}

effect effect_of(const stage& at, const std::string& statement, const snapshot& before, const snapshot& after,
                 const std::vector<pg::notice>& notices) {
    return reading(at, before, after).read(statement, notices);
}

std::vector<dependent> in_the_way_of(const stage& at, const std::string& statement, const snapshot& before) {
    std::set<std::string> words;
    for (const token& each : tokens_of(statement)) {
        words.insert(each.value);
    }
    const bool whole = kind_of(statement).rfind("drop ", 0) == 0;
    std::vector<dependent> found;
    const auto add = [&](const std::string& kind, std::string name) {
        dependent each;
        each.kind = kind;
        each.name = std::move(name);
        found.push_back(std::move(each));
    };
    for (const real_dependent& each : at.dependents) {
        const bool meant = std::any_of(each.uses.begin(), each.uses.end(), [&](const auto& used) {
            const auto* table = at.find(used.first);
            return table != nullptr && table->wanted == extent::whole &&
                   (whole ? words.count(table->name.name) != 0
                          : std::any_of(used.second.begin(), used.second.end(),
                                        [&](const auto& column) { return words.count(column) != 0; }));
        });
        if (meant) {
            add(each.kind, each.display());
        }
    }
    for (const auto& each : before.keys) {
        const auto from = before.relations.find(each.second.table);
        const auto to = before.relations.find(each.second.referenced);
        if (from != before.relations.end() && to != before.relations.end() && from != to &&
            words.count(to->second.name) != 0 && (whole || words.count("drop") != 0)) {
            add("foreign key", fmt::format("{} on {}", display_identifier(each.second.name),
                                           sql_name_of(at.names.real_of(from->second.name, at.default_schema))));
        }
    }
    return found;
}

}  // namespace pgeist::probe
