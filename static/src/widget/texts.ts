// What the widget says: English, Chinese, Arabic. `{}` is the place of a name or a number.

const LANGUAGES = ["en", "zh", "ar"];

const ROWS = [
  ["assistantOf", "AI assistant of {}", "{} 的 AI 助手", "المساعد الذكي لمتجر {}"],
  ["inQueue", "Waiting for a person", "正在等待人工客服", "في انتظار موظف"],
  ["withPerson", "You are talking to a person", "人工客服正在为您服务", "أنت تتحدث مع موظف"],
  ["close", "Close the chat", "关闭聊天", "إغلاق الدردشة"],
  ["person", "Talk to a person", "转人工客服", "التحدث إلى موظف"],
  ["assistant", "Continue with the assistant", "继续由助手回答", "المتابعة مع المساعد"],
  ["queueTitle", "A person will answer you here.", "人工客服会在这里回复您。", "سيجيبك موظف هنا."],
  ["queueHours", "We are here {}. You can close this window; your conversation is kept.", "服务时间：{}。您可以关闭此窗口，对话会保留。", "أوقات العمل: {}. يمكنك إغلاق هذه النافذة، فالمحادثة محفوظة."],
  ["away", "Nobody is here right now. Leave your e-mail, and we will write to you.", "现在没有客服在线。请留下邮箱，我们会写信给您。", "لا يوجد أحد الآن. اترك بريدك الإلكتروني وسنكتب إليك."],
  ["mail", "Your e-mail", "您的邮箱", "بريدك الإلكتروني"],
  ["mailKept", "Thank you. We will write to {}.", "谢谢！我们会写信到 {}。", "شكرًا لك. سنكتب إلى {}."],
  ["messages", "Conversation", "对话", "المحادثة"],
  ["start", "Questions you can ask", "您可以这样问", "أسئلة يمكنك طرحها"],
  ["write", "Write a message…", "输入消息…", "اكتب رسالة…"],
  ["label", "Your message", "您的消息", "رسالتك"],
  ["send", "Send", "发送", "إرسال"],
  ["stop", "Stop the answer", "停止回答", "إيقاف الإجابة"],
  ["working", "{} is working…", "{} 正在处理…", "{} يعمل على الإجابة…"],
  ["place", "You are number {}", "您排在第 {} 位", "رقمك في الانتظار {}"],
  ["typing", "Someone is typing…", "对方正在输入…", "يكتب الآن…"],
  ["you", "You", "您", "أنت"],
  ["team", "Team", "客服", "فريق المتجر"],
  ["sending", "Sending…", "正在发送…", "جارٍ الإرسال…"],
  ["kept", "Not sent yet", "尚未发送", "لم تُرسل بعد"],
  ["stopped", "Stopped", "已停止", "تم الإيقاف"],
  ["interrupted", "The answer was interrupted", "回答被中断", "انقطعت الإجابة"],
  ["failed", "The answer failed. Nothing you wrote is lost.", "回答失败。您写的内容没有丢失。", "تعذرت الإجابة. لم يضع شيء مما كتبته."],
  ["length", "The answer reached its longest length", "回答已达到最大长度", "بلغت الإجابة أقصى طول"],
  ["retry", "Try again", "重试", "إعادة المحاولة"],
  ["remove", "Remove", "删除", "حذف"],
  ["good", "Good answer", "回答得好", "إجابة جيدة"],
  ["bad", "Bad answer", "回答得不好", "إجابة سيئة"],
  ["thanks", "Thank you. This helps us to answer better.", "谢谢！这会帮助我们改进。", "شكرًا لك. هذا يساعدنا على تحسين إجاباتنا."],
  ["why", "What was wrong? (optional)", "哪里不对？（选填）", "ما الخطأ؟ (اختياري)"],
  ["tell", "Send comment", "提交意见", "إرسال التعليق"],
  ["skip", "Skip", "跳过", "تخطٍّ"],
  ["lost", "Connection lost. Your messages are kept and will be sent.", "连接已断开。您的消息已保留，恢复后会发送。", "انقطع الاتصال. رسائلك محفوظة وستُرسل."],
  ["refusedHere", "This chat is not available here.", "此处无法使用聊天。", "الدردشة غير متاحة هنا."],
  ["again", "Connect now", "立即连接", "اتصل الآن"],
  ["newest", "Newest messages", "最新消息", "أحدث الرسائل"],
  ["earlier", "Earlier messages", "更早的消息", "رسائل أقدم"],
  ["left", "{} characters left", "还可输入 {} 个字符", "بقي {} حرفًا"],
  ["tooLong", "{} characters too many", "超出 {} 个字符", "أطول من اللازم بـ {} حرفًا"],
  ["wait", "That was a lot at once. Your message will be sent in {} s.", "发送太快了。您的消息将在 {} 秒后发送。", "رسائل كثيرة دفعة واحدة. ستُرسل رسالتك بعد {} ث."],
  ["note_queue", "You asked for a person", "您已请求人工客服", "طلبت التحدث إلى موظف"],
  ["note_hand", "A person will take over here", "人工客服将在这里接手", "سيتولى موظف المحادثة هنا"],
  ["note_staff", "A person joined the conversation", "人工客服已加入对话", "انضم موظف إلى المحادثة"],
  ["note_ai", "The assistant answers again", "现在由助手回答", "المساعد يجيب من جديد"],
  ["note_resolved", "This conversation is closed. Write to open it again.", "此对话已关闭。发送消息即可重新打开。", "أُغلقت هذه المحادثة. اكتب رسالة لفتحها من جديد."],
  ["caution", "AI answers can be wrong.", "回答由 AI 生成，可能有误。", "الإجابات من ذكاء اصطناعي وقد تخطئ."],
  ["today", "Today", "今天", "اليوم"],
  ["fault_rate_limited", "That was a lot at once. Please wait a moment.", "发送太快了，请稍等片刻。", "رسائل كثيرة دفعة واحدة. انتظر قليلًا من فضلك."],
  ["fault_allowance_used", "You have asked a lot in this hour. A person can help you, or try again later.", "您在这一小时内的提问已达上限。请稍后再试，或转人工客服。", "سألت كثيرًا في هذه الساعة. يمكن لموظف مساعدتك، أو حاول لاحقًا."],
  ["fault_busy", "Too many people are asking right now. Please try again in a moment.", "现在咨询的人太多，请稍后再试。", "كثيرون يسألون الآن. حاول بعد قليل من فضلك."],
  ["fault_message_too_long", "This message is too long.", "消息太长。", "هذه الرسالة طويلة جدًا."],
  ["fault_other", "That did not work. Please try again.", "操作未成功，请重试。", "لم ينجح ذلك. حاول مرة أخرى."],
] as const satisfies readonly (readonly [name: string, en: string, zh: string, ar: string])[];

/** Rows are how people read and translate; columns are what is needed. Done at the build (`scripts/build.mjs`): columns pack better. */
const columns = (rows: readonly (readonly string[])[]): string[][] => rows[0]!.map((_, at) => rows.map((row) => row[at]!));
const [NAMES, ...TEXTS] = columns(ROWS);

export type Texts = Record<(typeof ROWS)[number][0], string>;

/** The first of `wanted` (tags such as `zh-Hans-CN`) that there are texts for; English otherwise. */
export function language(wanted: readonly string[]): string {
  return wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

export function textsFor(lang: string): Texts {
  const texts = TEXTS[Math.max(0, LANGUAGES.indexOf(lang))]!;
  return Object.fromEntries(NAMES!.map((name, at) => [name, texts[at]])) as Texts;
}

/** `text` with `value` in its place. */
export function fill(text: string, value: string | number): string {
  return text.replace("{}", () => String(value));
}

/** What is said when somebody else answers from here on, or nobody needs to. */
export function noteText(texts: Texts, note: "queue" | "staff" | "ai" | "resolved" | "hand"): string {
  return texts[`note_${note}`];
}

/** A fault's code in plain words. */
export function faultText(texts: Texts, code: string): string {
  const name = `fault_${code}`;
  return Object.hasOwn(texts, name) ? texts[name as keyof Texts] : texts.fault_other;
}
