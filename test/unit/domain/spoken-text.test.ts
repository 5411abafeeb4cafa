import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { spokenText } from '../../../src/domain/spoken-text.ts';

/** What is written, and what is said. */
const CASES: readonly (readonly [string, string])[] = [
  ['您的驗證碼是123456，請於5分鐘內輸入。', '您的驗證碼是一二三四五六，請於五分鐘內輸入。'],
  ['【飛鴿】驗證碼：0042', '飛鴿，驗證碼，零零四二'],
  ['123456 是您的驗證碼', '一二三四五六是您的驗證碼'],
  ['Your code is 123456.', 'Your code is one two three four five six.'],
  ['Your OTP: 4821, valid for 5 minutes.', 'Your OTP, four eight two one, valid for five minutes.'],
  ['密碼 1234', '密碼一二三四'],
  ['共1234元', '共一千兩百三十四元'],
  ['驗證碼 8812，金額 5000 元', '驗證碼八八一二，金額五千元'],
  ['會議時間2026/11/22 14:30', '會議時間二零二六年十一月二十二日十四點三十分'],
  ['2026-11-22(日) 下午2:30', '二零二六年十一月二十二日星期日下午兩點三十分'],
  ['11月22日', '十一月二十二日'],
  ['民國115年11月22日', '民國一百一十五年十一月二十二日'],
  ['115/11/22', '一百一十五年十一月二十二日'],
  ['11/22(六)~11/25', '十一月二十二日星期六到十一月二十五日'],
  ['12/24-12/26', '十二月二十四日到十二月二十六日'],
  ['08月05日09時05分', '八月五日九時零五分'],
  ['2點02分', '兩點零二分'],
  ['9:05', '九點零五分'],
  ['14:00-16:00', '十四點到十六點'],
  ['2:30 PM', 'two thirty P M'],
  ['PM 2:30集合', '下午兩點三十分集合'],
  ['NT$1,234', 'one thousand two hundred thirty four N T dollars'],
  ['NT$1,234元', '新台幣一千兩百三十四元'],
  ['1,234元', '一千兩百三十四元'],
  ['$99', '九十九元'],
  ['US$12.50', 'twelve U S dollars and fifty cents'],
  ['應繳 NT$12,345,678', '應繳新台幣一千兩百三十四萬五千六百七十八元'],
  ['-500元', '負五百元'],
  ['12.5%', '百分之十二點五'],
  ['5%~10%', '百分之五到百分之十'],
  ['3.5萬', '三點五萬'],
  ['10050元', '一萬零五十元'],
  ['100005元', '十萬零五元'],
  ['110000元', '十一萬元'],
  ['2個', '兩個'],
  ['12個', '十二個'],
  ['200元', '兩百元'],
  ['2000元', '兩千元'],
  ['22222元', '兩萬兩千兩百二十二元'],
  ['第2次', '第二次'],
  ['2月2日', '二月二日'],
  ['2樓', '二樓'],
  ['2026年', '二零二六年'],
  ['115年', '一百一十五年'],
  ['3-5天', '三到五天'],
  ['3~5個工作天', '三到五個工作天'],
  ['0912345678', '零九一二，三四五，六七八'],
  ['0912-345-678', '零九一二，三四五，六七八'],
  ['(02)2345-6789', '零二，二三四五，六七八九'],
  ['02-23456789#123', '零二，二三四五六七八九分機一二三'],
  ['+886912345678', '加八八六，九一二，三四五，六七八'],
  ['0800-000-123', '零八零零，零零零，一二三'],
  ['請撥165', '請撥一六五'],
  ['撥打1922', '撥打一九二二'],
  ['電話費1234元', '電話費一千兩百三十四元'],
  ['1234-5678-9012-3456', '一二三四，五六七八，九零一二，三四五六'],
  ['訂單編號 20261122001', '訂單編號二零二六，一一二二，零零一'],
  ['訂單12345678已出貨', '訂單一二三四，五六七八已出貨'],
  ['取件碼A1B2C3', '取件碼 A 一 B 二 C 三'],
  ['驗證碼 A1B2C3', '驗證碼 A 一 B 二 C 三'],
  ['車牌ABC-1234', '車牌ABC 一二三四'],
  ['航班MU5001', '航班MU 五零零一'],
  ['F16', 'F sixteen'],
  ['５００元，電話０９１２３４５６７８', '五百元，電話零九一二，三四五，六七八'],
  ['ＡＢＣ１２３', 'ABC one two three'],
  ['https://www.example.com.tw/abc', 'example dot com dot tw slash abc'],
  ['請見 http://feige.example.com/pay?id=123456&x=abcdefghijk。謝謝', '請見 feige 點 example 點 com。謝謝'],
  ['詳見www.test.tw。', '詳見 test 點 tw。'],
  ['service@example.com', 'service at example dot com'],
  ['A&B公司', 'A和B公司'],
  ['謝謝~', '謝謝'],
  ['姓名/電話', '姓名，電話'],
  ['★★★', ''],
  ['😀您好😀', '您好'],
  ['7-11門市取貨', 'Seven Eleven 門市取貨'],
  ['7-11天', '七到十一天'],
  ['25℃', '攝氏二十五度'],
  ['-3℃', '攝氏零下三度'],
  ['體重70kg', '體重七十公斤'],
  ['2kg', 'two kilograms'],
  ['5G上網', '五 G上網'],
  ['1st prize, 22nd of May', 'first prize, twenty second of May'],
  [
    'The meeting is on 2026/11/22 at 14:30.',
    'The meeting is on November twenty second, twenty twenty six at fourteen thirty.',
  ],
  [
    'Pay $12.50 or NT$1,234 by 3/5.',
    'Pay twelve dollars and fifty cents or one thousand two hundred thirty four N T dollars by March fifth.',
  ],
  ['Growth is 12.5%.', 'Growth is twelve point five percent.'],
  ['Call 0912-345-678 ext. 12', 'Call zero nine one two, three four five, six seven eight extension one two'],
  ['請按#字鍵', '請按井字鍵'],
  ['3x5=15', 'three times five equals fifteen'],
  ['1/2', '一月二日'],
  ['24/7', '二十四，七'],
  ['末四碼1234', '末四碼一二三四'],
  ['末4碼 1234', '末四碼一二三四'],
  ['007', '零零七'],
  ['(1)您好(2)再見', '一，您好，二，再見'],
  ['①您好', '一您好'],
  ['2026/11/22', '二零二六年十一月二十二日'],
  ['1234567890123456789元', '一二三四五六七八九零一二三四五六七八九元'],
  ['尾號 5678 的信用卡', '尾號五六七八的信用卡'],
  ['12:00:30', '十二點零分三十秒'],
  ['第1名獎金2,000,000元', '第一名獎金兩百萬元'],
  ['Please visit https://a.example.com/x. Thanks!', 'Please visit a dot example dot com slash x. Thanks!'],
  ['你有3則訊息', '你有三則訊息'],
  ['iPhone15 Pro', 'iPhone fifteen Pro'],
  ['二○二六', '二零二六'],
  ['100%', '百分之一百'],
  ['比數3:2', '比數三比二'],
  ['密碼錯誤3次', '密碼錯誤三次'],
  ['餘額 12345.67 元', '餘額一萬兩千三百四十五點六七元'],
  ['您的OTP為 839201(3分鐘內有效)', '您的OTP為八三九二零一，三分鐘內有效'],
  ['wifi密碼：abcd1234', 'wifi密碼，a b c d 一二三四'],
  ['訂位代碼 X7K9Q2', '訂位代碼 X 七 K 九 Q 二'],
  ['請撥 110 或 119', '請撥一一零或一一九'],
  ['電話:(04)22334455轉12', '電話，零四，二二三三四四五五分機一二'],
  ['週一至週五 9:00~18:00', '週一至週五九點到十八點'],
  ['11月2日(一)', '十一月二日星期一'],
  ['1,234.50元', '一千兩百三十四點五元'],
  ['漲幅 -2.5%', '漲幅負百分之二點五'],
  ['加½匙糖', '加二分之一匙糖'],
  ['面積100m²', '面積一百平方公尺'],
  ['編號：TW-20261122-001', '編號，TW 二零二六，一一二二，零零一'],
  ['Flight BR12 at 7:05 AM', 'Flight BR twelve at seven oh five A M'],
  ['100,000 people', 'one hundred thousand people'],
  ['50% off!', 'fifty percent off!'],
];

describe('a written message becomes what is said', () => {
  for (const [written, said] of CASES) {
    it(`${JSON.stringify(written)} is said as ${JSON.stringify(said)}`, () => {
      assert.equal(spokenText(written), said);
    });
  }

  it('turns line breaks into full stops, whatever stood before them', () => {
    assert.equal(spokenText('第一行\n第二行。\n\n第三行，\n完'), '第一行。第二行。第三行。完');
  });

  it('reads the figures of each sentence in the language of the sentence', () => {
    assert.equal(
      spokenText('您的驗證碼是 123456。\nYour login code is 123456.'),
      '您的驗證碼是一二三四五六。Your login code is one two three four five six.',
    );
  });

  it('takes a line with nothing but an amount for Chinese in a Chinese message', () => {
    assert.equal(spokenText('本期金額\nNT$500'), '本期金額。新台幣五百元');
  });

  it('does not take a second number near a code for another code', () => {
    assert.equal(spokenText('驗證碼 8812 將於 300 秒後失效'), '驗證碼八八一二將於三百秒後失效');
  });
});

const FRAGMENTS =
  '0 1 9 12 123456 年 月 日 / - : . , 元 NT$ $ % ~ + = x A b 驗證碼 code # ( ) https:// www. @ .com 。 ? 個 第 ℃ kg AM 👍 ² ½ ① Ⅳ'.split(
    ' ',
  );

describe('whatever is written', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.constantFrom(...FRAGMENTS, ' ', '\n'), { maxLength: 30 }).map((parts) => parts.join('')),
  );

  it('no digit, control character or sign is left for the engine to guess at', () => {
    fc.assert(
      fc.property(anything, (written) => {
        assert.doesNotMatch(spokenText(written), /[^\p{L}\p{M}〇\s,，。.?？!！']|\p{Nd}|\n|undefined|NaN/u);
      }),
      { numRuns: 2000 },
    );
  });

  it('repeated to 1,000 characters is read in linear time and stays within what an engine takes', () => {
    const maxMs = 500;
    for (const left of FRAGMENTS.slice(0, 16)) {
      for (const right of ['', ...FRAGMENTS]) {
        const written = (left + right).repeat(1000).slice(0, 1000);
        const startedMs = performance.now();
        const said = spokenText(written);
        assert.ok(performance.now() - startedMs < maxMs, `${left}${right} took too long`);
        assert.ok(said.length <= 12_000, `${left}${right} became ${said.length} characters`);
      }
    }
  });
});
