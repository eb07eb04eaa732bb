#include <fmt/format.h>

#include "leftovers.hpp"
#include "pgeist/core/error.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

constexpr int first_sound_14 = 140004;

/// What has the name that an index is to get.
struct namesake {
    bool present = false;
    std::int64_t oid = 0;
    std::string kind;
    bool valid = false;
    bool on_table = false;
    std::string table;
};

awaitable<namesake> find_namesake(pg::connection& session, const index_request& wanted) {
    const pg::result row = co_await session.query(R"sql(
        SELECT c.oid::bigint AS oid, c.relkind, coalesce(i.indisvalid, false) AS valid,
               coalesce(i.indrelid = $3::bigint::oid, false) AS on_table, coalesce(i.indrelid::regclass::text, '') AS table_name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
         WHERE n.nspname = $1 AND c.relname = $2)sql",
                                                  wanted.name.schema, wanted.name.name, wanted.table_oid);
    namesake found;
    if (!row.empty()) {
        found.present = true;
        found.oid = row.integer(0, "oid");
        found.kind = row.text(0, "relkind");
        found.valid = row.boolean(0, "valid");
        found.on_table = row.boolean(0, "on_table");
        found.table = row.text(0, "table_name");
    }
    co_return found;
}

/// Whether an entry of the job is about this index, and not about one that was there before.
bool is_ours(const std::vector<entry>& known, const entry& about, const namesake& found) {
    for (const entry& each : known) {
        const bool was_there =
            std::find(each.there.begin(), each.there.end(), std::to_string(found.oid)) != each.there.end();
        if (each.key() == about.key() && found.on_table && !was_there && (each.oid == 0 || each.oid == found.oid)) {
            return true;
        }
    }
    return false;
}

[[noreturn]] void refuse(const index_request& wanted, const namesake& found) {
    const std::string name = wanted.name.display();
    if (found.kind == "i" && !found.valid) {
        throw error(
            exit_code::refused,
            fmt::format("index {} on {} is there and invalid, and not of this job: somebody is building it, or "
                        "has failed to",
                        name, found.table),
            fmt::format("see in pg_stat_progress_create_index whether somebody is at it; if nobody is: DROP INDEX "
                        "CONCURRENTLY {}; then try again",
                        wanted.name.sql()));
    }
    throw error(exit_code::refused, fmt::format("{} is there already", name),
                "give the new index another name, or drop or rename what has this one");
}

entry entry_of(const index_request& wanted) {
    entry about;
    about.what = deed::create;
    about.table_oid = wanted.table_oid;
    about.name = wanted.name;
    about.for_constraint = wanted.for_constraint;
    return about;
}

/// @returns whether it is there, of this job, and valid
awaitable<bool> look(pg::connection& session, std::int64_t job, const index_request& wanted) {
    const namesake found = co_await find_namesake(session, wanted);
    if (!found.present) {
        co_return false;
    }
    std::vector<entry> known;
    if (job != 0) {
        known = co_await load(session, job);
    }
    if (!is_ours(known, entry_of(wanted), found)) {
        refuse(wanted, found);
    }
    co_return found.valid;
}

}  // namespace

bool builds_soundly(int server_version) noexcept { return server_version < 140000 || server_version >= first_sound_14; }

void require_sound_server(const pg::connection& session) {
    const int version = session.server_version();
    if (!builds_soundly(version)) {
        throw error(
            exit_code::refused,
            fmt::format("PostgreSQL 14.{} may leave rows out of an index that is built CONCURRENTLY", version % 100),
            "update the server to 14.4 or later first (its release notes tell how to find indexes that are "
            "damaged)");
    }
}

awaitable<void> require_free_name(pg::connection& session, std::int64_t job, const index_request& wanted) {
    static_cast<void>(co_await look(session, job, wanted));
}

awaitable<void> create_index(workspace& work, pg::connection& session, index_request wanted) {
    require_sound_server(session);
    const bool finished = co_await look(session, work.mine.job, wanted);
    if (finished) {
        co_return;
    }
    work.progress.detail = "building " + display_identifier(wanted.name.name);
    entry about = entry_of(wanted);
    co_await carry_out(work, session, wanted.create_sql, std::move(about));
}

}  // namespace pgeist::concurrently
