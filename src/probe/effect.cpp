#include "pgeist/probe/effect.hpp"

#include <algorithm>
#include <array>

namespace pgeist::probe {

namespace {

struct mode_names {
    lock_mode mode;
    std::string_view words;
    std::string_view catalog;
};

constexpr std::array<mode_names, 9> names{{
    {lock_mode::none, "", ""},
    {lock_mode::access_share, "ACCESS SHARE", "AccessShareLock"},
    {lock_mode::row_share, "ROW SHARE", "RowShareLock"},
    {lock_mode::row_exclusive, "ROW EXCLUSIVE", "RowExclusiveLock"},
    {lock_mode::share_update_exclusive, "SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock"},
    {lock_mode::share, "SHARE", "ShareLock"},
    {lock_mode::share_row_exclusive, "SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"},
    {lock_mode::exclusive, "EXCLUSIVE", "ExclusiveLock"},
    {lock_mode::access_exclusive, "ACCESS EXCLUSIVE", "AccessExclusiveLock"},
}};

/// The weakest mode from which on another one conflicts with it; SHARE alone does not conflict with itself.
lock_mode first_conflict(lock_mode mode) {
    using enum lock_mode;
    switch (mode) {
        case none:
            return none;
        case access_share:
            return access_exclusive;
        case row_share:
            return exclusive;
        case row_exclusive:
            return share;
        case share_update_exclusive:
            return share_update_exclusive;
        case share:
        case share_row_exclusive:
            return row_exclusive;
        case exclusive:
            return row_share;
        case access_exclusive:
            return access_share;
    }
    return none;
}

void add_once(std::vector<std::string>& to, const std::string& name) {
    if (std::find(to.begin(), to.end(), name) == to.end()) {
        to.push_back(name);
    }
}

}  // namespace

std::string_view words_of(lock_mode mode) { return names.at(static_cast<std::size_t>(mode)).words; }

std::optional<lock_mode> lock_mode_of(std::string_view text) {
    for (const mode_names& each : names) {
        if (!text.empty() && (each.words == text || each.catalog == text)) {
            return each.mode;
        }
    }
    return std::nullopt;
}

bool conflict(lock_mode a, lock_mode b) {
    if (a == lock_mode::none || b == lock_mode::none) {
        return false;
    }
    if (a == lock_mode::share && b == lock_mode::share) {
        return false;
    }
    return b >= first_conflict(a);
}

bool blocks_reads(lock_mode mode) { return conflict(mode, lock_mode::access_share); }
bool blocks_writes(lock_mode mode) { return conflict(mode, lock_mode::row_exclusive); }

std::string_view word_of(evidence source) {
    switch (source) {
        case evidence::rules:
            return "static";
        case evidence::catalog:
            return "catalog";
        case evidence::tried:
            break;
    }
    return "tried";
}

void effect::lock(const std::string& relation, lock_mode mode, relation_kind kind) {
    const auto found =
        std::find_if(locks.begin(), locks.end(), [&](const relation_lock& each) { return each.relation == relation; });
    if (found == locks.end()) {
        locks.push_back(relation_lock{relation, mode, kind});
        return;
    }
    found->mode = std::max(found->mode, mode);
    if (found->kind == relation_kind::unknown) {
        found->kind = kind;
    }
}

void effect::rewrite(const std::string& relation) { add_once(rewrites, relation); }
void effect::scan(const std::string& relation) { add_once(scans, relation); }
void effect::build(const std::string& index) { add_once(builds, index); }

void effect::merge(const effect& other) {
    for (const relation_lock& each : other.locks) {
        lock(each.relation, each.mode, each.kind);
    }
    for (const std::string& each : other.rewrites) {
        rewrite(each);
    }
    for (const std::string& each : other.scans) {
        scan(each);
    }
    for (const std::string& each : other.builds) {
        build(each);
    }
    if (!fails) {
        fails = other.fails;
    }
    for (const dependent& each : other.dependents) {
        if (std::find(dependents.begin(), dependents.end(), each) == dependents.end()) {
            dependents.push_back(each);
        }
    }
    transaction = std::max(transaction, other.transaction);
    source = std::min(source, other.source);  // no surer than its least sure part
    for (const std::string& each : other.assumptions) {
        add_once(assumptions, each);
    }
    if (other.bytes) {
        bytes = bytes.value_or(0) + *other.bytes;
    }
    if (other.blocks_ms) {
        blocks_ms = blocks_ms.value_or(0) + *other.blocks_ms;
    }
    if (other.work_ms) {
        work_ms = work_ms.value_or(0) + *other.work_ms;
    }
    if (not_understood.empty()) {
        not_understood = other.not_understood;
    }
}

lock_mode effect::strongest() const {
    lock_mode mode = lock_mode::none;
    for (const relation_lock& each : locks) {
        mode = std::max(mode, each.mode);
    }
    return mode;
}

lock_mode effect::on(const std::string& relation) const {
    const auto found =
        std::find_if(locks.begin(), locks.end(), [&](const relation_lock& each) { return each.relation == relation; });
    return found == locks.end() ? lock_mode::none : found->mode;
}

bool effect::blocks_reads() const {
    return std::any_of(locks.begin(), locks.end(), [](const relation_lock& each) {
        return each.kind != relation_kind::type && probe::blocks_reads(each.mode);
    });
}

bool effect::blocks_writes() const {
    // A type is no table, and nobody but a REFRESH writes a materialized view.
    return std::any_of(locks.begin(), locks.end(), [](const relation_lock& each) {
        return each.kind != relation_kind::type && each.kind != relation_kind::materialized_view &&
               probe::blocks_writes(each.mode);
    });
}

}  // namespace pgeist::probe
