#include "pgeist/task/phase.hpp"

namespace pgeist::task {

phase make_phase(const char* name, const char* purpose, const char* lock, const char* told) {
    phase one;
    one.name = name;
    one.purpose = purpose;
    one.told.name = told == nullptr ? name : told;
    one.told.lock = lock;
    return one;
}

phase make_phase_in_rows(const char* name, const char* purpose, const char* lock, const char* told) {
    phase one = make_phase(name, purpose, lock, told);
    one.told.counts = report::unit::rows;
    one.told.in_chunks = true;
    one.resumed = resume_from::checkpoint;
    return one;
}

phase make_last_phase(const char* name) {
    phase one = make_phase(name, "", "none", "done");
    one.in_effect = true;
    return one;
}

}  // namespace pgeist::task
