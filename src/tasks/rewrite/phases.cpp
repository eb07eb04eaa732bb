#include "pgeist/tasks/rewrite/phases.hpp"

#include "pgeist/tasks/rewrite/undo.hpp"

namespace pgeist::rewrite {

namespace {

task::phase in_rows(const char* name, const char* purpose, const char* lock, bool in_chunks) {
    task::phase one = task::make_phase_in_rows(name, purpose, lock);
    one.told.in_chunks = in_chunks;
    return one;
}

task::phase in_indexes(const char* name, const char* purpose) {
    task::phase one = task::make_phase(name, purpose, "none");
    one.told.counts = report::unit::indexes;
    one.resumed = task::resume_from::checkpoint;
    one.long_statement = true;
    return one;
}

task::phase prepare() {
    task::phase one = task::make_phase("prepare", "make the empty shadow table", "ACCESS SHARE, momentarily");
    one.undo = drop_own;
    return one;
}

task::phase capture() {
    task::phase one = task::make_phase("capture", "log the keys of changed rows, by triggers",
                                       "SHARE ROW EXCLUSIVE, momentarily, under lock_timeout");
    one.undo = take_off_triggers;
    return one;
}

task::phase catch_up() {
    task::phase one = in_rows("catch_up", "apply the changes made meanwhile", "ACCESS SHARE per batch", false);
    one.told.name = "replay";
    return one;
}

task::phase swap() {
    task::phase one = in_rows("swap", "apply the last changes, exchange the tables",
                              "ACCESS EXCLUSIVE, milliseconds, under lock_timeout", false);
    one.resumed = task::resume_from::start;
    one.stops_at_critical_load = false;  // nothing is left there that could be one
    one.undo = drop_bound_constraint;
    return one;
}

task::phase finish() {
    task::phase one = task::make_phase("finish", "validate foreign keys, remove what is not needed any more",
                                       "SHARE UPDATE EXCLUSIVE to validate foreign keys");
    one.in_effect = true;
    one.stops_at_critical_load = false;
    one.undo = finish_what_was_swapped;
    return one;
}

}  // namespace

std::vector<task::phase> phases() {
    return {prepare(),
            capture(),
            in_rows("copy", "copy the rows in chunks along the key", "ACCESS SHARE per chunk", true),
            in_indexes("key", "build the key's index"),
            in_rows("replay", "apply the logged changes up to a consistent point", "ACCESS SHARE per batch", false),
            in_indexes("build", "build all other indexes, VACUUM ANALYZE"),
            catch_up(),
            in_rows("verify", "compare both tables, chunk by chunk", "ACCESS SHARE per chunk", true),
            swap(),
            finish(),
            task::make_last_phase()};
}

}  // namespace pgeist::rewrite
