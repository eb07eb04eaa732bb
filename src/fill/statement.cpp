#include "pgeist/fill/statement.hpp"

#include <algorithm>
#include <vector>

#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::fill {

namespace {

using ddl::sql_text::token;

/// Walks over the statement's tokens.
class reader {
public:
    explicit reader(const std::string& text) : text_(&text), tokens_(ddl::sql_text::scan(text)) {}

    [[nodiscard]] bool at_end() const { return next_ >= tokens_.size() || tokens_[next_].sign == ';'; }
    /// Goes over an unquoted word, if it is there.
    bool take(const char* word) {
        const bool found = !at_end() && !tokens_[next_].quoted && tokens_[next_].word == word;
        next_ += found ? 1 : 0;
        return found;
    }
    bool take_sign(char sign) {
        const bool found = !at_end() && tokens_[next_].sign == sign;
        next_ += found ? 1 : 0;
        return found;
    }
    std::optional<std::string> take_name() {
        if (at_end() || tokens_[next_].word.empty()) {
            return std::nullopt;
        }
        return tokens_[next_++].word;
    }
    /// The text up to one of these words, or a comma if that ends it, outside of parentheses.
    std::string take_until(const std::vector<std::string>& words, bool comma) {
        const std::size_t from = next_;
        int depth = 0;
        for (; !at_end(); ++next_) {
            const token& now = tokens_[next_];
            depth += now.sign == '(' || now.sign == '[' ? 1 : now.sign == ')' || now.sign == ']' ? -1 : 0;
            const bool word = !now.quoted && std::find(words.begin(), words.end(), now.word) != words.end();
            if (depth == 0 && ((comma && now.sign == ',') || (!now.word.empty() && word))) {
                break;
            }
        }
        return from == next_ ? std::string()
                             : text_->substr(tokens_[from].begin, tokens_[next_ - 1].end - tokens_[from].begin);
    }

private:
    const std::string* text_;
    std::vector<token> tokens_;
    std::size_t next_ = 0;
};

std::optional<qualified_name> read_table(reader& from) {
    from.take("only");
    const auto first = from.take_name();
    if (!first) {
        return std::nullopt;
    }
    if (!from.take_sign('.')) {
        return qualified_name{"", *first};
    }
    const auto second = from.take_name();
    return second ? std::optional<qualified_name>(qualified_name{*first, *second}) : std::nullopt;
}

/// `a = …, b = …`
bool read_sets(reader& from, std::vector<std::string>& into) {
    do {
        const auto column = from.take_name();
        if (!column || !from.take_sign('=')) {
            return false;
        }
        const std::string value = from.take_until({"where", "from", "returning"}, true);
        if (value.empty()) {
            return false;
        }
        into.push_back(quote_identifier(*column) + " = " + value);
    } while (from.take_sign(','));
    return true;
}

}  // namespace

std::optional<request> request_of(const std::string& statement) {
    reader from(statement);
    request made;
    if (from.take("delete")) {
        made.remove = true;
        if (!from.take("from")) {
            return std::nullopt;
        }
    } else if (!from.take("update")) {
        return std::nullopt;
    }
    const auto table = read_table(from);
    if (!table || (!made.remove && (!from.take("set") || !read_sets(from, made.sets)))) {
        return std::nullopt;
    }
    made.table = *table;
    if (from.take("where")) {
        made.where = from.take_until({"returning"}, false);
        reader condition(*made.where);
        if (made.where->empty() || condition.take("current")) {
            return std::nullopt;
        }
    }
    const bool whole = from.at_end() && (made.where || !made.remove);
    return whole ? std::optional<request>(made) : std::nullopt;
}

}  // namespace pgeist::fill
