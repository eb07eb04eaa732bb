// Syntax of PostgreSQL 16 to 19, said in the words of 15's grammar.

#include <algorithm>

#include "parse.hpp"

namespace pgeist::ddl::parse {

namespace {

/// Copies a text and leaves out, or writes otherwise, some of its tokens.
class writer {
public:
    writer(const std::string& text, std::vector<token> all) : text_(text), all_(std::move(all)) {}

    rewritten run() {
        for (std::size_t at = 0; at < all_.size();) {
            const std::size_t next = step(at);
            if (next == at) {
                copy_to(all_[at].end);
                ++at;
            } else {
                at = next;
            }
        }
        copy_to(text_.size());
        return std::move(made_);
    }

private:
    using meaning = rewritten::meaning;

    [[nodiscard]] bool word(std::size_t at, const char* expected) const {
        return at < all_.size() && all_[at].is(expected);
    }
    [[nodiscard]] bool sign(std::size_t at, char expected) const {
        return at < all_.size() && all_[at].is_sign(expected);
    }

    void copy_to(std::size_t end) {
        made_.text += text_.substr(copied_, end - copied_);
        copied_ = std::max(copied_, end);
    }

    /// Writes `words` for the tokens from `at` up to `next`.
    std::size_t instead(std::size_t at, std::size_t next, const char* words, meaning what, int since) {
        copy_to(all_[at].begin);
        made_.flags.push_back({made_.text.size(), what});
        made_.text += words;
        copied_ = all_[next - 1].end;
        made_.since = std::max(made_.since, since);
        return next;
    }

    /// What follows the token of the parenthesis that is opened at `at`.
    [[nodiscard]] std::size_t behind(std::size_t at) const {
        int depth = 0;
        for (; at < all_.size(); ++at) {
            depth += sign(at, '(') ? 1 : sign(at, ')') ? -1 : 0;
            if (depth == 0) {
                return at + 1;
            }
        }
        return at;
    }

    std::size_t step(std::size_t at) {
        if (word(at, "not") && word(at + 1, "enforced")) {
            return instead(at, at + 2, "", meaning::not_enforced, 18);
        }
        if (word(at, "enforced") && at > 0 && (sign(at - 1, ')') || all_[at - 1].is_name())) {
            return instead(at, at + 1, "", meaning::enforced, 18);
        }
        if (word(at, "without") && word(at + 1, "overlaps")) {
            return instead(at, at + 2, "", meaning::other, 18);
        }
        if (word(at, "period") && at > 0 && (sign(at - 1, ',') || sign(at - 1, '(')) && at + 1 < all_.size() &&
            all_[at + 1].is_name()) {
            return instead(at, at + 1, "", meaning::other, 18);
        }
        if (word(at, "access") && word(at + 1, "method") && word(at + 2, "default")) {
            return instead(at, at + 3, "ACCESS METHOD heap", meaning::other, 17);
        }
        if (word(at, "statistics") && word(at + 1, "default")) {
            return instead(at, at + 2, "STATISTICS -1", meaning::other, 17);
        }
        if (word(at, "storage") && word(at + 1, "default")) {
            return instead(at, at + 2, "STORAGE main", meaning::other, 16);
        }
        return generated(at);
    }

    /// GENERATED ALWAYS AS (…) with VIRTUAL, or with nothing, behind it.
    std::size_t generated(std::size_t at) {
        const bool begins = word(at, "generated") && word(at + 1, "always") && word(at + 2, "as") && sign(at + 3, '(');
        if (!begins) {
            return at;
        }
        const std::size_t next = behind(at + 3);
        if (word(next, "stored") || next > all_.size()) {
            return at;
        }
        copy_to(all_[at].begin);
        const std::size_t place = made_.text.size();
        copy_to(all_[next - 1].end);
        made_.flags.push_back({place, meaning::is_virtual});
        made_.text += " STORED";
        made_.since = std::max(made_.since, 18);
        if (word(next, "virtual")) {
            copied_ = all_[next].end;
            return next + 1;
        }
        return next;
    }

    const std::string& text_;
    std::vector<token> all_;
    rewritten made_;
    std::size_t copied_ = 0;
};

/// The constraint whose text begins last before `at`.
void find_constraint(tree::json::value& value, std::size_t at, tree::json::object*& best, std::int64_t& begin) {
    if (value.is_array()) {
        for (auto& each : value.get_array()) {
            find_constraint(each, at, best, begin);
        }
        return;
    }
    if (!value.is_object()) {
        return;
    }
    for (auto& member : value.get_object()) {
        if (member.key() == "Constraint" && member.value().is_object()) {
            auto& node = member.value().get_object();
            const std::int64_t place = tree::number(node, "location");
            if (place <= static_cast<std::int64_t>(at) && place >= begin) {
                best = &node;
                begin = place;
            }
        }
        find_constraint(member.value(), at, best, begin);
    }
}

}  // namespace

rewritten rewrite_newer(const std::string& text) { return writer(text, tokens_of(text)).run(); }

void apply(const rewritten& from, tree::json::value& node) {
    for (const rewritten::flag& each : from.flags) {
        if (each.what == rewritten::meaning::other) {
            continue;
        }
        tree::json::object* best = nullptr;
        std::int64_t begin = -1;
        find_constraint(node, each.at, best, begin);
        if (best != nullptr && each.what == rewritten::meaning::not_enforced) {
            (*best)["pgeist_not_enforced"] = true;
        } else if (best != nullptr && each.what == rewritten::meaning::is_virtual) {
            (*best)["pgeist_virtual"] = true;
        }
    }
}

}  // namespace pgeist::ddl::parse
