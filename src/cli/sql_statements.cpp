#include "cli/sql_statements.hpp"

#include <algorithm>
#include <cctype>

namespace pgeist::cli {

namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

bool continues_word(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

/// Walks over a script, one token of the kinds that can hide a semicolon at a time.
class cutter {
public:
    explicit cutter(std::string_view script) : script_(script) {}

    std::vector<std::string> run() {
        while (at_ < script_.size()) {
            step();
        }
        end_statement();
        return std::move(statements_);
    }

private:
    [[nodiscard]] bool sees(std::string_view text) const { return script_.substr(at_).starts_with(text); }

    void step() {
        const char now = script_[at_];
        if (sees("--")) {
            at_ = std::min(script_.find('\n', at_), script_.size());
        } else if (sees("/*")) {
            block_comment();
        } else if (now == ';') {
            end_statement();
            begin_ = ++at_;
        } else if (is_space(now)) {
            ++at_;
        } else {
            substance_ = true;
            token(now);
        }
    }

    void token(char now) {
        if (now == '\'') {
            quoted('\'', escapes_before(at_));
        } else if (now == '"') {
            quoted('"', false);
        } else if (now == '$' && (at_ == 0 || !continues_word(script_[at_ - 1]))) {
            dollar_quoted();
        } else {
            ++at_;
        }
    }

    /// Whether the string that begins at `at` is an E'…' string, in which a backslash escapes.
    [[nodiscard]] bool escapes_before(std::size_t at) const {
        const bool marked = at > 0 && (script_[at - 1] == 'E' || script_[at - 1] == 'e');
        return marked && (at < 2 || !continues_word(script_[at - 2]));
    }

    void quoted(char quote, bool escapes) {
        for (++at_; at_ < script_.size(); ++at_) {
            if (escapes && script_[at_] == '\\') {
                ++at_;
            } else if (script_[at_] == quote) {
                break;  // a doubled quote ends one string and begins the next: the same to us
            }
        }
        at_ = std::min(at_ + 1, script_.size());
    }

    void dollar_quoted() {
        std::size_t end = at_ + 1;
        while (end < script_.size() && script_[end] != '$' && continues_word(script_[end])) {
            ++end;
        }
        const bool numbered =
            at_ + 1 < script_.size() && std::isdigit(static_cast<unsigned char>(script_[at_ + 1])) != 0;
        if (end >= script_.size() || script_[end] != '$' || numbered) {
            ++at_;
            return;
        }
        const std::string_view tag = script_.substr(at_, end - at_ + 1);
        const std::size_t close = script_.find(tag, end + 1);
        at_ = close == std::string_view::npos ? script_.size() : close + tag.size();
    }

    void block_comment() {
        int depth = 0;  // they nest
        do {
            if (sees("/*")) {
                ++depth;
                at_ += 2;
            } else if (sees("*/")) {
                --depth;
                at_ += 2;
            } else {
                ++at_;
            }
        } while (depth > 0 && at_ < script_.size());
    }

    void end_statement() {
        std::string_view text = script_.substr(begin_, at_ - begin_);
        while (!text.empty() && is_space(text.front())) {
            text.remove_prefix(1);
        }
        while (!text.empty() && is_space(text.back())) {
            text.remove_suffix(1);
        }
        if (substance_) {
            statements_.emplace_back(text);
        }
        substance_ = false;
    }

    std::string_view script_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0;
    bool substance_ = false;
    std::vector<std::string> statements_;
};

}  // namespace

std::vector<std::string> split_statements(std::string_view script) { return cutter(script).run(); }

}  // namespace pgeist::cli
