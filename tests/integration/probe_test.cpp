#include "probe_test.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <map>

namespace pgeist::test {

namespace {

void append(std::string& text, const char* what, const std::set<std::string>& all) {
    text += std::string(what) + ":";
    for (const auto& each : all) {
        text += " [" + each + "]";
    }
    text += "\n";
}

void collect(void* into, const PGresult* result) {
    static_cast<std::vector<std::string>*>(into)->emplace_back(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

/// What stands in quotes behind `prefix` in one of the messages.
std::set<std::string> named_in(const std::vector<std::string>& messages, const std::string& prefix) {
    std::set<std::string> names;
    for (const auto& each : messages) {
        if (each.rfind(prefix, 0) == 0) {
            names.insert(each.substr(prefix.size(), each.find('"', prefix.size()) - prefix.size()));
        }
    }
    return names;
}

}  // namespace

std::string deed::text() const {
    std::string text;
    append(text, "locks", locks);
    append(text, "locks on indexes", index_locks);
    append(text, "rewrites", rewrites);
    append(text, "scans", scans);
    append(text, "builds", builds);
    return text + "fails: " + sqlstate + "\n";
}

deed deed_of(const probe::effect& effect) {
    deed found;
    for (const auto& each : effect.locks) {
        if (each.mode > probe::lock_mode::access_share) {
            auto& locks = each.kind == probe::relation_kind::index ? found.index_locks : found.locks;
            locks.insert(each.relation + ": " + std::string(probe::words_of(each.mode)));
        }
    }
    found.rewrites.insert(effect.rewrites.begin(), effect.rewrites.end());
    found.scans.insert(effect.scans.begin(), effect.scans.end());
    found.builds.insert(effect.builds.begin(), effect.builds.end());
    if (effect.fails) {
        found.sqlstate = effect.fails->sqlstate;
    }
    return found;
}

struct real_run::seen {
    struct relation {
        std::string name;
        char kind;
        std::string file;
        std::string table;  ///< of an index
        long long rows_read;
        long long rows;
        bool exclusion;
    };
    std::map<std::string, relation> relations;  ///< by OID
    std::map<std::string, std::string> locks;   ///< by OID, the strongest as 1…8 in front of its name
    std::map<std::string, std::string> types;
    struct key {
        std::string name;
        std::string from;
        std::string to;
        bool valid;
    };
    std::map<std::string, key> keys;  ///< foreign keys by OID
};

real_run::real_run(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK) {
        throw sql_error("08001", PQerrorMessage(connection_));
    }
    PQsetNoticeReceiver(connection_, collect, &messages_);
}

real_run::~real_run() { PQfinish(connection_); }

real_run::table real_run::rows(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const auto status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        sql_error failure(state == nullptr ? "08006" : state, PQerrorMessage(connection_));
        PQclear(result);
        throw failure;
    }
    table all;
    for (int line = 0; line < PQntuples(result); ++line) {
        std::vector<std::string> values;
        for (int column = 0; column < PQnfields(result); ++column) {
            values.emplace_back(PQgetvalue(result, line, column));
        }
        all.push_back(std::move(values));
    }
    PQclear(result);
    return all;
}

void real_run::execute(const std::string& sql) { rows(sql); }

real_run::seen real_run::look() {
    seen now;
    for (const auto& each :
         rows("SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind, c.relfilenode, "
              "coalesce(i.indrelid, 0), coalesce(CASE WHEN c.relkind IN ('r', 'm') THEN "
              "pg_stat_get_xact_tuples_returned(c.oid) END, 0), greatest(c.reltuples, 0)::bigint, "
              "coalesce(i.indisexclusion, false) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
              "LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.oid >= 16384 AND n.nspname !~ '^pg_'")) {
        now.relations[each[0]] = {
            each[1],       each[2][0], each[3], each[4], std::atoll(each[5].c_str()), std::atoll(each[6].c_str()),
            each[7] == "t"};
    }
    for (const auto& each :
         rows("SELECT DISTINCT ON (1) coalesce(relation, objid), strength || mode FROM (SELECT *, array_position(ARRAY["
              "'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', "
              "'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], mode) AS strength FROM pg_locks "
              "WHERE pid = pg_backend_pid() AND (locktype = 'relation' OR classid = 'pg_type'::regclass)) AS l "
              "ORDER BY 1, strength DESC")) {
        now.locks[each[0]] = each[1];
    }
    for (const auto& each : rows("SELECT t.oid, quote_ident(n.nspname) || '.' || quote_ident(t.typname) FROM pg_type t "
                                 "JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd') AND "
                                 "n.nspname = 'app'")) {
        now.types[each[0]] = each[1];
    }
    for (const auto& each :
         rows("SELECT oid, conname, conrelid, confrelid, convalidated FROM pg_constraint WHERE contype = 'f'")) {
        now.keys[each[0]] = {each[1], each[2], each[3], each[4] == "t"};
    }
    return now;
}

namespace {

/// SQL's words for `8AccessExclusiveLock`.
std::string words(const std::string& lock) {
    return std::string(probe::words_of(probe::lock_mode_of(lock.substr(1)).value()));
}

}  // namespace

deed real_run::run(const std::string& settings, const std::string& statement) {
    deed found;
    execute("BEGIN");
    execute(settings);
    const seen before = look();
    execute("SET LOCAL client_min_messages TO debug1");
    messages_.clear();
    try {
        execute(statement);
    } catch (const sql_error& failure) {
        found.sqlstate = failure.sqlstate();
        execute("ROLLBACK");
        return found;
    }
    const auto said = messages_;
    const seen after = look();
    execute("ROLLBACK");

    for (const auto& [oid, lock] : after.locks) {
        const auto relation = before.relations.find(oid);
        const auto type = before.types.find(oid);
        if (before.locks.count(oid) == 0 && lock.front() != '1' &&
            (relation != before.relations.end() || type != before.types.end())) {
            const bool of_relation = relation != before.relations.end();
            const bool of_index = of_relation && (relation->second.kind == 'i' || relation->second.kind == 'I');
            auto& locks = of_index ? found.index_locks : found.locks;
            locks.insert((of_relation ? relation->second.name : type->second) + ": " + words(lock));
        }
    }
    if (statement.rfind("TRUNCATE", 0) == 0) {
        return found;
    }
    std::set<std::string> rewritten;
    for (const auto& [oid, now] : after.relations) {
        const auto was = before.relations.find(oid);
        if (was != before.relations.end() && now.kind == 'r' && was->second.file != now.file) {
            rewritten.insert(oid);
            found.rewrites.insert(was->second.name);
        }
    }
    std::map<std::string, long long> passes;  // over a table, for its indexes
    std::set<std::string> files;
    for (const auto& each : before.relations) {
        files.insert(each.second.file);
    }
    for (const auto& [oid, now] : after.relations) {
        if (now.kind == 'i' && before.relations.count(now.table) != 0 && rewritten.count(now.table) == 0 &&
            files.count(now.file) == 0) {
            found.builds.insert(now.name);
            passes[now.table] += now.exclusion ? 2 : 1;
        }
    }
    const auto keys = named_in(said, "validating foreign key constraint \"");
    std::set<std::string> referenced;
    for (const auto& [oid, key] : after.keys) {
        const auto was = before.keys.find(oid);
        if (keys.count(key.name) == 0 || (was != before.keys.end() && was->second.valid)) {
            continue;
        }
        referenced.insert(key.to);
        const auto from = before.relations.find(key.from);
        if (from != before.relations.end() && from->second.kind == 'r') {
            found.scans.insert(from->second.name);
        }
    }
    for (const auto& [oid, was] : before.relations) {
        const auto now = after.relations.find(oid);
        if (now == after.relations.end() || rewritten.count(oid) != 0 || referenced.count(oid) != 0 || was.rows == 0) {
            continue;
        }
        if (now->second.rows_read - was.rows_read >= was.rows * (passes[oid] + 1)) {
            found.scans.insert(was.name);
        }
    }
    return found;
}

void probe_test::SetUp() {
    database_test::SetUp();
    if (HasFatalFailure() || IsSkipped()) {
        return;
    }
    pg::connect_options options;
    options.set("dbname", db().uri());
    session_ = await(pg::connection::open(options, "pgeist probe test"));
}

void probe_test::TearDown() {
    session_.reset();
    database_test::TearDown();
}

void probe_test::connect_as(const std::string& role) { connect_to(db().uri_as(role)); }

void probe_test::connect_to(const std::string& uri) {
    pg::connect_options options;
    options.set("dbname", uri);
    session_ = await(pg::connection::open(options, "pgeist probe test"));
}

lint::report probe_test::lint_with_server(const std::vector<std::string>& texts, ddl::transaction_mode mode) {
    std::vector<lint::source> files;
    for (const std::string& text : texts) {
        lint::source file;
        file.name = "m" + std::to_string(files.size() + 1) + ".sql";
        file.text = text;
        file.named = true;
        file.begins_simulation = files.empty();
        files.push_back(std::move(file));
    }
    const auto migrations = lint::read(files, mode);
    lint::settings options;
    const auto said = await(lint::ask(session(), files, migrations, options));
    return lint::check(files, migrations, options, &said);
}

probe::trial_answer probe_test::try_out(const std::string& statement, probe::trial_options options) {
    return await(probe::try_statement(session(), statement, std::move(options)));
}

}  // namespace pgeist::test
