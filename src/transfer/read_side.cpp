#include "pgeist/transfer/read_side.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::transfer {

namespace {

[[noreturn]] void throw_dropped(const spec& of) {
    throw error(exit_code::failed, fmt::format("{} was dropped by someone else during the run", of.read.name.display()),
                "remove this job with: pgeist cleanup");
}

awaitable<void> require_there(pg::connection& session, const spec& of) {
    const pg::result there =
        co_await session.query("SELECT EXISTS (SELECT FROM pg_class WHERE oid = $1::bigint::oid)", of.read.oid);
    if (!there.boolean(0, 0)) {
        throw_dropped(of);
    }
}

/// `what` may be empty: not known.
[[noreturn]] void throw_changed(const spec& of, const std::string& what) {
    throw error(exit_code::failed,
                fmt::format("the definition of {} was changed by someone else during the run{}{}",
                            of.read.name.display(), what.empty() ? "" : ": ", what),
                fmt::format("nothing was swapped, the source table is untouched by pgeist; {}", what_next(of)));
}

}  // namespace

const char* what_next(const spec& of) {
    return of.sets_apart ? "the way back stays open; try again with: pgeist resume JOB"
                         : "remove this job with: pgeist cleanup, and run again";
}

awaitable<void> require_name(pg::connection& session, const spec& of) {
    const pg::result row = co_await session.query("SELECT to_regclass($1)::oid::bigint IS NOT DISTINCT FROM $2::bigint",
                                                  of.read.name.sql(), of.read.oid);
    if (!row.boolean(0, 0)) {
        co_await require_there(session, of);
        throw_changed(of, "its name");
    }
}

awaitable<void> require_unchanged(pg::connection& session, const spec& of) {
    pg::inquiry ask(session, std::vector<std::int64_t>(1, of.read.oid));
    co_await require_unchanged(ask, of);
}

awaitable<void> require_unchanged(pg::inquiry& ask, const spec& of) {
    const bool same = co_await catalog::still_has_fingerprint(ask, of.read.oid, of.fingerprint);
    const pg::result name = co_await ask.ask(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
        of.read.oid);
    if (name.empty()) {
        throw_dropped(of);
    }
    if (name.text(0, "nspname") != of.read.name.schema || name.text(0, "relname") != of.read.name.name) {
        throw_changed(of, "its name");
    }
    if (!same) {
        std::string what;
        if (!of.fingerprint_parts.empty()) {  // earlier versions kept none
            const auto parts = co_await catalog::fingerprint_parts(ask.session(), of.read.oid);
            what = catalog::changed_parts(of.fingerprint_parts, parts);
        }
        co_await require_there(ask.session(), of);  // it may have been dropped in between
        throw_changed(of, what);
    }
}

}  // namespace pgeist::transfer
