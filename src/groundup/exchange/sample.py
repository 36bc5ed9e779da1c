"""What an export is proved on: text in many scripts, conversations, and questions."""

from groundup.core.records import Message

__all__ = ["CONVERSATIONS", "QUESTIONS", "TEXTS"]

TEXTS = {
    "Latin": "All human beings are born free and equal in dignity.\n\n  They aren't 1,234.5!",
    "accents": "Tous les êtres humains naissent libres; Wszyscy ludzie rodzą się wolni; İ",
    "Cyrillic": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.",
    "Arabic": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق.",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "Devanagari": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "Bengali": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "Tamil": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、カタカナも。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 존엄과 권리에 있어 평등하다.",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი.",
    "Ethiopic": "የሰው ልጅ ሁሉ ሲወለድ ነጻ እና እኩል ነው።",
    "code": "def f(x: int) -> str:\n\treturn f'{x:>08.3f}'  # ok\r\n    if x != 0x1F: pass\n",
    "emoji": "Naïve café 👩‍🚀🇺🇳 ½ ≤ ∞ — “quoted”",
}
"""Universal Declaration of Human Rights, article 1 (United Nations), and difficult things."""

QUESTIONS = (
    "What is a list?",
    "Which arguments does open(file, mode='r', buffering=-1) take?",
    "Write one sentence about water.",
    "What is the capital of France?",
    "Give the default of mode in open(file, mode='r').",
    "Count from one to five.",
    "Why is the sky blue?",
    "Has sorted(iterable, key=None) an argument named key? Answer yes or no.",
    "Translate to German: good morning.",
    "What does len(obj) do?",
)

CONVERSATIONS = (
    (Message("user", "Hello!"),),
    (Message("system", "You answer briefly."), Message("user", "What is a tuple?")),
    (
        Message("user", "Who are you?"),
        Message("assistant", "A language model."),
        Message("user", "How large?"),
    ),
    (
        Message("system", "You answer in one word."),
        Message("user", "2 + 2?"),
        Message("assistant", "Four."),
        Message("user", "And 3 + 3?\nThink."),
        Message("assistant", "Six."),
        Message("user", "Danke, schön! 谢谢"),
    ),
)
"""With and without a system message, of one turn and of several."""
