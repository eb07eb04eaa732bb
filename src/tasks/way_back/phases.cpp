#include "pgeist/tasks/way_back/phases.hpp"

#include "pgeist/tasks/rewrite/undo.hpp"
#include "pgeist/tasks/way_back/undo.hpp"

namespace pgeist::way_back {

namespace {

task::phase make(const char* name, const char* purpose, const char* lock) {
    task::phase one = task::make_phase_in_rows(name, purpose, lock);
    one.told.in_chunks = false;
    return one;
}

task::phase window() {
    task::phase one = make("window", "keep the table that waits in step", "ACCESS SHARE per batch");
    one.stops_at_critical_load = false;  // it obeys the throttle, and ending it would only make the log longer
    one.undo = end_way_back;
    return one;
}

task::phase catch_up() {
    task::phase one = make("catch_up", "apply what was written since the swap", "ACCESS SHARE per batch");
    one.told.name = "replay";
    return one;
}

task::phase verify() {
    task::phase one = make("verify", "compare both tables, chunk by chunk", "ACCESS SHARE per chunk");
    one.told.in_chunks = true;
    return one;
}

task::phase swap() {
    task::phase one = make("swap", "apply the last changes, exchange the tables",
                           "ACCESS EXCLUSIVE, milliseconds, under lock_timeout");
    one.resumed = task::resume_from::start;
    one.stops_at_critical_load = false;
    one.undo = rewrite::drop_bound_constraint;
    return one;
}

task::phase finish() {
    task::phase one = make("finish", "validate foreign keys, make the other table the one that waits",
                           "SHARE UPDATE EXCLUSIVE to validate foreign keys");
    one.resumed = task::resume_from::start;
    one.in_effect = true;
    one.stops_at_critical_load = false;
    one.undo = rewrite::finish_what_was_swapped;
    return one;
}

}  // namespace

std::vector<task::phase> phases() {
    return {window(), catch_up(), verify(), swap(), finish(), task::make_last_phase()};
}

}  // namespace pgeist::way_back
